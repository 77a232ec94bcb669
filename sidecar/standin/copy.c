/* Copies and fills. */
#include "cuda.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void fill(char *to, uint64_t bytes, int value, int width) {
    uint64_t page = 4096, start = ((uintptr_t) to + page - 1) / page * page, end = ((uintptr_t) to + bytes) / page * page;
    if (value == 0 && end > start && bytes >= 1 << 20 && madvise((void *) start, end - start, MADV_REMOVE) == 0) {
        /* Pages that are given back read as zeros. */
        memset(to, 0, start - (uintptr_t) to);
        memset((void *) end, 0, (uintptr_t) to + bytes - end);
        return;
    }
    if (width == 1) memset(to, value, bytes);
    for (uint64_t i = 0; width == 2 && i < bytes; i += 2) *(uint16_t *) (to + i) = (uint16_t) value;
    for (uint64_t i = 0; width == 4 && i < bytes; i += 4) *(uint32_t *) (to + i) = (uint32_t) value;
}

CUresult move(const struct work *work) {
    CUresult result = SUCCESS;
    pthread_rwlock_rdlock(&memory_lock);
    char *to = work->host_to ? work->host_to : device_alias(work->to, work->bytes, ACCESS_READWRITE);
    const char *from = work->host_from ? work->host_from
                                       : work->kind == FILL ? NULL : device_alias(work->from, work->bytes, ACCESS_READ);
    if (!to || (work->kind == COPY && !from)) result = ILLEGAL_ADDRESS;
    else if (work->kind == FILL) fill(to, work->bytes, work->value, work->width);
    else memmove(to, from, work->bytes);
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

static CUresult check(CUdeviceptr address, uint64_t bytes, int access) {
    pthread_rwlock_rdlock(&memory_lock);
    bool there = device_alias(address, bytes, access);
    pthread_rwlock_unlock(&memory_lock);
    return there ? SUCCESS : INVALID_VALUE;
}

/* Host memory that is not page-locked is read before the call returns, and written before it returns. */
static CUresult copy(CUstream stream, struct work work, bool wait) {
    CUcontext context;
    CUresult result = stream_of(stream, &context);
    if (result != SUCCESS || !work.bytes) return result;
    if (work.to && (result = check(work.to, work.bytes, ACCESS_READWRITE)) != SUCCESS) return result;
    if (work.from && (result = check(work.from, work.bytes, ACCESS_READ)) != SUCCESS) return result;
    if ((!work.to && !work.host_to) || (work.kind == COPY && !work.from && !work.host_from)) return INVALID_VALUE;
    if (stream && work.host_from && !wait && !pinned(work.host_from, work.bytes)) {
        work.owned = malloc(work.bytes);
        if (!work.owned) return OUT_OF_MEMORY;
        work.host_from = memcpy(work.owned, work.host_from, work.bytes);
    }
    wait |= work.host_to && !pinned(work.host_to, work.bytes);
    result = submit(stream, context, work);
    if (stream && wait) {
        drain(stream);
        return context->sticky;
    }
    return result;
}

static struct work to_device(CUdeviceptr to, const void *from, size_t bytes) {
    return (struct work){.kind = COPY, .to = to, .host_from = from, .bytes = bytes};
}

static struct work to_host(void *to, CUdeviceptr from, size_t bytes) {
    return (struct work){.kind = COPY, .host_to = to, .from = from, .bytes = bytes};
}

API CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) { return copy(NULL, to_device(to, from, bytes), true); }

API CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) { return copy(NULL, to_host(to, from, bytes), true); }

API CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
    return copy(NULL, (struct work){.kind = COPY, .to = to, .from = from, .bytes = bytes}, true);
}

API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
    return copy(stream, to_device(to, from, bytes), false);
}

API CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return copy(stream, to_host(to, from, bytes), false);
}

API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return copy(stream, (struct work){.kind = COPY, .to = to, .from = from, .bytes = bytes}, false);
}

static CUresult set(CUdeviceptr to, int value, int width, size_t count, CUstream stream) {
    return copy(stream, (struct work){.kind = FILL, .to = to, .value = value, .width = width, .bytes = count * (size_t) width}, false);
}

API CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count) { return set(to, value, 1, count, NULL); }

API CUresult cuMemsetD16_v2(CUdeviceptr to, unsigned short value, size_t count) { return set(to, value, 2, count, NULL); }

API CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t count) { return set(to, (int) value, 4, count, NULL); }

API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) { return set(to, value, 1, count, stream); }

API CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count, CUstream stream) { return set(to, value, 2, count, stream); }

API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) { return set(to, (int) value, 4, count, stream); }
