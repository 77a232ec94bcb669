/* Page-locked host memory: what the device may read and write while the caller goes on. */
#include "cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct { uintptr_t start; uint64_t bytes; bool allocated; } *locked;
static size_t total, room;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The index of a range that shares a byte with this one; total when there is none. */
static size_t overlapping(uintptr_t start, uint64_t bytes) {
    size_t at = 0;
    while (at < total && !(start < locked[at].start + locked[at].bytes && locked[at].start < start + bytes)) at++;
    return at;
}

bool pinned(const void *host, uint64_t bytes) {
    pthread_mutex_lock(&lock);
    size_t at = overlapping((uintptr_t) host, bytes);
    bool inside = at < total && (uintptr_t) host >= locked[at].start
                  && (uintptr_t) host + bytes <= locked[at].start + locked[at].bytes;
    pthread_mutex_unlock(&lock);
    return inside;
}

static void add(uintptr_t start, uint64_t bytes, bool allocated) {
    if (total == room) {
        room = room ? room * 2 : 64;
        locked = realloc(locked, room * sizeof *locked);
    }
    locked[total].start = start;
    locked[total].bytes = bytes;
    locked[total++].allocated = allocated;
}

/* Whether every page of the range may be accessed so; the kernel knows. */
static bool accessible(uintptr_t start, uint64_t bytes, bool write) {
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long low, high;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", &low, &high, rights) != 3 || start < low || start >= high) continue;
        if (rights[0] != 'r' || (write && rights[1] != 'w')) break;
        if (start + bytes <= high) {
            fclose(maps);
            return true;
        }
        bytes -= high - start;
        start = high;
    }
    if (maps) fclose(maps);
    return false;
}

API CUresult cuMemHostRegister_v2(void *host, size_t bytes, unsigned flags) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    if (!host || !bytes || flags > 15) return INVALID_VALUE;
    /* READ_ONLY is for devices that have READ_ONLY_HOST_REGISTER_SUPPORTED; this one has not. */
    if (flags & 8) return NOT_SUPPORTED;
    if (!accessible((uintptr_t) host, bytes, true)) return INVALID_VALUE;
    pthread_mutex_lock(&lock);
    if (overlapping((uintptr_t) host, bytes) < total) result = HOST_MEMORY_ALREADY_REGISTERED;
    else add((uintptr_t) host, bytes, false);
    pthread_mutex_unlock(&lock);
    return result;
}

static CUresult drop(void *host, bool allocated, CUresult otherwise) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    streams_wait(context, true);
    pthread_mutex_lock(&lock);
    size_t at = overlapping((uintptr_t) host, 1);
    if (at == total || locked[at].start != (uintptr_t) host || locked[at].allocated != allocated) result = otherwise;
    else {
        if (allocated) munmap(host, locked[at].bytes);
        locked[at] = locked[--total];
    }
    pthread_mutex_unlock(&lock);
    return result;
}

API CUresult cuMemHostUnregister(void *host) { return drop(host, false, HOST_MEMORY_NOT_REGISTERED); }

API CUresult cuMemHostAlloc(void **host, size_t bytes, unsigned flags) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    if (!host || !bytes || flags > 7) return INVALID_VALUE;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == (void *) -1) return OUT_OF_MEMORY;
    pthread_mutex_lock(&lock);
    add((uintptr_t) memory, bytes, true);
    pthread_mutex_unlock(&lock);
    *host = memory;
    return SUCCESS;
}

API CUresult cuMemAllocHost_v2(void **host, size_t bytes) { return cuMemHostAlloc(host, bytes, 0); }

API CUresult cuMemFreeHost(void *host) { return drop(host, true, INVALID_VALUE); }

API CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *device, void *host, unsigned flags) {
    if (!device || flags || !pinned(host, 1)) return INVALID_VALUE;
    *device = (CUdeviceptr) (uintptr_t) host;
    return SUCCESS;
}
