/* Streams and events. Each stream is a thread: work runs later than it was submitted, in order within its stream and
 * in no order between streams. */
#include "cuda.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct stream {
    CUcontext context;
    bool blocking;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct work *first, *last;
    /* Work that has not finished, the piece that runs included. */
    uint64_t pending;
    bool closing;
    struct stream *next;
};

struct event {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t recorded, reached;
    struct timespec when;
};

static void fail(CUcontext context, CUresult why) {
    if (context->sticky == SUCCESS) context->sticky = why;
}

static void delay(void) {
    const char *text = getenv("STANDIN_COPY_DELAY_MICROS");
    if (text) usleep((useconds_t) atoi(text));
}

static void reach(CUevent event, uint64_t ticket) {
    pthread_mutex_lock(&event->lock);
    if (ticket > event->reached) event->reached = ticket;
    clock_gettime(CLOCK_MONOTONIC, &event->when);
    pthread_cond_broadcast(&event->changed);
    pthread_mutex_unlock(&event->lock);
}

static void await(CUevent event, uint64_t ticket) {
    pthread_mutex_lock(&event->lock);
    while (event->reached < ticket) pthread_cond_wait(&event->changed, &event->lock);
    pthread_mutex_unlock(&event->lock);
}

static void perform(CUstream stream, struct work *work) {
    switch (work->kind) {
        case COPY:
        case FILL:
            delay();
            if (stream->context->sticky == SUCCESS) {
                CUresult result = move(work);
                if (result != SUCCESS) fail(stream->context, result);
            }
            break;
        case RECORD: reach(work->event, work->ticket); break;
        case WAIT: await(work->event, work->ticket); break;
        case CALL:
            if (work->call) work->call(work->argument);
            else work->callback(stream, stream->context->sticky, work->argument);
            break;
    }
    free(work->owned);
    free(work);
}

static void *run(void *argument) {
    CUstream stream = argument;
    pthread_mutex_lock(&stream->lock);
    while (true) {
        while (!stream->first && !stream->closing) pthread_cond_wait(&stream->changed, &stream->lock);
        struct work *work = stream->first;
        if (!work) break;
        stream->first = work->next;
        if (!stream->first) stream->last = NULL;
        pthread_mutex_unlock(&stream->lock);
        perform(stream, work);
        pthread_mutex_lock(&stream->lock);
        stream->pending--;
        pthread_cond_broadcast(&stream->changed);
    }
    pthread_mutex_unlock(&stream->lock);
    return NULL;
}

void drain(CUstream stream) {
    pthread_mutex_lock(&stream->lock);
    while (stream->pending) pthread_cond_wait(&stream->changed, &stream->lock);
    pthread_mutex_unlock(&stream->lock);
}

CUresult streams_wait(CUcontext context, bool all) {
    pthread_mutex_lock(&context_lock);
    for (CUstream stream = context->streams; stream; stream = stream->next) {
        if (all || stream->blocking) drain(stream);
    }
    pthread_mutex_unlock(&context_lock);
    return context->sticky;
}

static void end(CUstream stream) {
    pthread_mutex_lock(&stream->lock);
    stream->closing = true;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
    pthread_join(stream->thread, NULL);
    free(stream);
}

void streams_close(CUcontext context) {
    pthread_mutex_lock(&context_lock);
    CUstream stream = context->streams;
    context->streams = NULL;
    pthread_mutex_unlock(&context_lock);
    while (stream) {
        CUstream next = stream->next;
        end(stream);
        stream = next;
    }
}

CUresult stream_of(CUstream stream, CUcontext *context) {
    CUresult result = current(context);
    if (result != SUCCESS || !stream) return result;
    pthread_mutex_lock(&context_lock);
    CUstream known = (*context)->streams;
    while (known && known != stream) known = known->next;
    pthread_mutex_unlock(&context_lock);
    return known ? SUCCESS : INVALID_HANDLE;
}

CUresult submit(CUstream stream, CUcontext context, struct work description) {
    struct work *work = malloc(sizeof *work);
    *work = description;
    work->next = NULL;
    if (!stream) {
        struct stream inline_stream = {.context = context};
        streams_wait(context, false);
        perform(&inline_stream, work);
        return context->sticky;
    }
    pthread_mutex_lock(&stream->lock);
    if (stream->last) stream->last->next = work; else stream->first = work;
    stream->last = work;
    stream->pending++;
    pthread_cond_broadcast(&stream->changed);
    pthread_mutex_unlock(&stream->lock);
    return SUCCESS;
}

/* ---- streams */

API CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    if (!stream || flags > 1) return INVALID_VALUE;
    CUstream made = calloc(1, sizeof *made);
    made->context = context;
    made->blocking = flags == 0;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    if (pthread_create(&made->thread, NULL, run, made)) {
        free(made);
        return OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&context_lock);
    made->next = context->streams;
    context->streams = made;
    pthread_mutex_unlock(&context_lock);
    *stream = made;
    return SUCCESS;
}

API CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority) {
    (void) priority;
    return cuStreamCreate(stream, flags);
}

API CUresult cuStreamDestroy_v2(CUstream stream) {
    CUcontext context;
    CUresult result = stream_of(stream, &context);
    if (result == INVALID_HANDLE || result == INVALID_CONTEXT || !stream) return stream ? result : INVALID_HANDLE;
    pthread_mutex_lock(&context_lock);
    CUstream *link = &context->streams;
    while (*link && *link != stream) link = &(*link)->next;
    if (*link) *link = stream->next;
    pthread_mutex_unlock(&context_lock);
    end(stream);
    return SUCCESS;
}

API CUresult cuStreamSynchronize(CUstream stream) {
    CUcontext context;
    CUresult result = stream_of(stream, &context);
    if (result != SUCCESS) return result;
    if (!stream) return streams_wait(context, false);
    drain(stream);
    return context->sticky;
}

API CUresult cuStreamQuery(CUstream stream) {
    CUcontext context;
    CUresult result = stream_of(stream, &context);
    if (result != SUCCESS || !stream) return result;
    pthread_mutex_lock(&stream->lock);
    bool busy = stream->pending;
    pthread_mutex_unlock(&stream->lock);
    return busy ? NOT_READY : context->sticky;
}

API CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
    CUcontext context;
    CUresult result = stream_of(stream, &context);
    if (result != SUCCESS) return result;
    if (!event || flags > 1) return INVALID_VALUE;
    pthread_mutex_lock(&event->lock);
    uint64_t ticket = event->recorded;
    pthread_mutex_unlock(&event->lock);
    return submit(stream, context, (struct work){.kind = WAIT, .event = event, .ticket = ticket});
}

API CUresult cuStreamAddCallback(CUstream stream, void (*call)(CUstream, CUresult, void *), void *argument, unsigned flags) {
    CUcontext context;
    CUresult result = stream_of(stream, &context);
    if (result != SUCCESS) return result;
    if (!call || flags) return INVALID_VALUE;
    return submit(stream, context, (struct work){.kind = CALL, .callback = call, .argument = argument});
}

API CUresult cuLaunchHostFunc(CUstream stream, void (*call)(void *), void *argument) {
    CUcontext context;
    CUresult result = stream_of(stream, &context);
    if (result != SUCCESS) return result;
    return submit(stream, context, (struct work){.kind = CALL, .call = call, .argument = argument});
}

/* ---- events */

API CUresult cuEventCreate(CUevent *event, unsigned flags) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    if (!event || flags > 7) return INVALID_VALUE;
    *event = calloc(1, sizeof **event);
    pthread_mutex_init(&(*event)->lock, NULL);
    pthread_cond_init(&(*event)->changed, NULL);
    return SUCCESS;
}

API CUresult cuEventDestroy_v2(CUevent event) {
    if (!event) return INVALID_HANDLE;
    /* The driver lets go of it when what was recorded has been reached. */
    await(event, event->recorded);
    free(event);
    return SUCCESS;
}

API CUresult cuEventRecord(CUevent event, CUstream stream) {
    CUcontext context;
    CUresult result = stream_of(stream, &context);
    if (result != SUCCESS) return result;
    if (!event) return INVALID_HANDLE;
    pthread_mutex_lock(&event->lock);
    uint64_t ticket = ++event->recorded;
    pthread_mutex_unlock(&event->lock);
    return submit(stream, context, (struct work){.kind = RECORD, .event = event, .ticket = ticket});
}

API CUresult cuEventQuery(CUevent event) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    if (!event) return INVALID_HANDLE;
    pthread_mutex_lock(&event->lock);
    bool reached = event->reached >= event->recorded;
    pthread_mutex_unlock(&event->lock);
    return reached ? SUCCESS : NOT_READY;
}

API CUresult cuEventSynchronize(CUevent event) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    if (!event) return INVALID_HANDLE;
    await(event, event->recorded);
    return context->sticky;
}

API CUresult cuEventElapsedTime(float *millis, CUevent start, CUevent end) {
    if (!millis || !start || !end || !start->recorded || !end->recorded) return INVALID_HANDLE;
    if (start->reached < start->recorded || end->reached < end->recorded) return NOT_READY;
    *millis = (float) (end->when.tv_sec - start->when.tv_sec) * 1e3f + (float) (end->when.tv_nsec - start->when.tv_nsec) / 1e6f;
    return SUCCESS;
}
