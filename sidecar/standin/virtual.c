/* The virtual memory calls: memory (cuMemCreate), addresses (cuMemAddressReserve) and what brings them together (cuMemMap). */
#include "cuda.h"

#include <fcntl.h>
#include <sys/mman.h>

static struct { CUdeviceptr address; uint64_t bytes; } *ranges;
static size_t range_total, range_room;


static bool right(const allocation_prop *prop) {
    return prop && prop->type == 1 && prop->location.type == 1 && prop->location.id >= 0 && prop->location.id < device_count();
}

API CUresult cuMemGetAllocationGranularity(size_t *bytes, const allocation_prop *prop, int option) {
    (void) option;
    if (initialized() != SUCCESS) return NOT_INITIALIZED;
    if (!bytes || !right(prop)) return INVALID_VALUE;
    *bytes = GRANULARITY;
    return SUCCESS;
}

API CUresult cuMemCreate(CUhandle *handle, size_t bytes, const allocation_prop *prop, unsigned long long flags) {
    if (initialized() != SUCCESS) return NOT_INITIALIZED;
    if (!handle || !bytes || bytes % GRANULARITY || flags || !right(prop)) return INVALID_VALUE;
    CUresult result;
    pthread_rwlock_wrlock(&memory_lock);
    struct block *block = block_create(prop->location.id, bytes, &result);
    if (block) {
        block->handles = 1;
        block->handle_types = prop->requestedHandleTypes;
        *handle = (CUhandle) (uintptr_t) block;
    }
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

API CUresult cuMemRelease(CUhandle handle) {
    pthread_rwlock_wrlock(&memory_lock);
    struct block *block = block_of_handle(handle);
    if (block) {
        block->handles--;
        block_drop(block);
    }
    pthread_rwlock_unlock(&memory_lock);
    return block ? SUCCESS : INVALID_VALUE;
}

API CUresult cuMemRetainAllocationHandle(CUhandle *handle, void *address) {
    pthread_rwlock_wrlock(&memory_lock);
    struct mapping *mapping = mapping_at((CUdeviceptr) (uintptr_t) address);
    bool there = mapping && mapping->kind == MAPPED;
    if (there) {
        mapping->block->handles++;
        mapping->block->users++;
        *handle = (CUhandle) (uintptr_t) mapping->block;
    }
    pthread_rwlock_unlock(&memory_lock);
    return there ? SUCCESS : INVALID_VALUE;
}

API CUresult cuMemGetAllocationPropertiesFromHandle(allocation_prop *prop, CUhandle handle) {
    pthread_rwlock_rdlock(&memory_lock);
    struct block *block = block_of_handle(handle);
    if (block && prop) {
        *prop = (allocation_prop){.type = 1, .requestedHandleTypes = block->handle_types, .location = {.type = 1}};
    }
    pthread_rwlock_unlock(&memory_lock);
    return block && prop ? SUCCESS : INVALID_VALUE;
}

API CUresult cuMemExportToShareableHandle(void *out, CUhandle handle, int type, unsigned long long flags) {
    pthread_rwlock_rdlock(&memory_lock);
    struct block *block = block_of_handle(handle);
    CUresult result = INVALID_VALUE;
    if (out && block && !flags && type == POSIX_FD && (block->handle_types & POSIX_FD)) {
        int fd = fcntl(block->fd, F_DUPFD_CLOEXEC, 0);
        if (fd >= 0) *(int *) out = fd;
        result = fd < 0 ? OUT_OF_MEMORY : SUCCESS;
    }
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

API CUresult cuMemImportFromShareableHandle(CUhandle *handle, void *os_handle, int type) {
    if (initialized() != SUCCESS) return NOT_INITIALIZED;
    if (!handle || type != POSIX_FD) return INVALID_VALUE;
    CUresult result;
    pthread_rwlock_wrlock(&memory_lock);
    struct block *block = block_of_descriptor((int) (intptr_t) os_handle, &result);
    if (block) {
        block->handles = 1;
        block->handle_types = POSIX_FD;
        *handle = (CUhandle) (uintptr_t) block;
    }
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

API CUresult cuMemAddressReserve(CUdeviceptr *address, size_t bytes, size_t alignment, CUdeviceptr hint, unsigned long long flags) {
    (void) hint;
    if (initialized() != SUCCESS) return NOT_INITIALIZED;
    if (!address || !bytes || bytes % GRANULARITY || (alignment & (alignment - 1)) || flags) return INVALID_VALUE;
    pthread_rwlock_wrlock(&memory_lock);
    CUdeviceptr start = reserve_addresses(bytes, alignment);
    if (start) {
        ranges = grown(ranges, range_total, &range_room, sizeof *ranges);
        ranges[range_total].address = start;
        ranges[range_total++].bytes = bytes;
        *address = start;
    }
    pthread_rwlock_unlock(&memory_lock);
    return start ? SUCCESS : OUT_OF_MEMORY;
}

API CUresult cuMemAddressFree(CUdeviceptr address, size_t bytes) {
    CUresult result = INVALID_VALUE;
    pthread_rwlock_wrlock(&memory_lock);
    for (size_t i = 0; i < range_total; i++) {
        if (ranges[i].address == address && ranges[i].bytes == bytes && !any_mapped(address, bytes)) {
            munmap((void *) (uintptr_t) address, bytes);
            ranges[i] = ranges[--range_total];
            result = SUCCESS;
            break;
        }
    }
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

API CUresult cuMemMap(CUdeviceptr address, size_t bytes, size_t offset, CUhandle handle, unsigned long long flags) {
    pthread_rwlock_wrlock(&memory_lock);
    struct block *block = block_of_handle(handle);
    bool reserved = false;
    for (size_t i = 0; i < range_total && !reserved; i++) {
        reserved = address >= ranges[i].address && address - ranges[i].address <= ranges[i].bytes
                   && bytes <= ranges[i].bytes - (address - ranges[i].address);
    }
    CUresult result = SUCCESS;
    if (!block || !reserved || flags || offset || !bytes || address % GRANULARITY || any_mapped(address, bytes)) result = INVALID_VALUE;
    else if (bytes != block->bytes) result = NOT_SUPPORTED;
    else {
        block->users++;
        mapping_add(address, block, MAPPED, ACCESS_NONE, NULL);
    }
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

/* Whether whole mappings cover the range without a gap. */
static bool covered(CUdeviceptr address, uint64_t bytes) {
    uint64_t done = 0;
    while (done < bytes) {
        struct mapping *mapping = mapping_at(address + done);
        if (!mapping || mapping->kind != MAPPED || mapping->address != address + done) return false;
        done += mapping->bytes;
    }
    return done == bytes && bytes;
}

API CUresult cuMemUnmap(CUdeviceptr address, size_t bytes) {
    pthread_rwlock_wrlock(&memory_lock);
    bool whole = covered(address, bytes);
    for (uint64_t done = 0; whole && done < bytes;) {
        struct mapping *mapping = mapping_at(address + done);
        done += mapping->bytes;
        mapping_remove(mapping);
    }
    pthread_rwlock_unlock(&memory_lock);
    return whole ? SUCCESS : INVALID_VALUE;
}

API CUresult cuMemSetAccess(CUdeviceptr address, size_t bytes, const access_desc *access, size_t count) {
    if (!access || count != 1 || access->location.type != 1 || access->flags < 0 || access->flags == 2 || access->flags > 3) return INVALID_VALUE;
    pthread_rwlock_wrlock(&memory_lock);
    bool whole = covered(address, bytes);
    for (uint64_t done = 0; whole && done < bytes;) {
        struct mapping *mapping = mapping_at(address + done);
        mapping->access = access->flags;
        done += mapping->bytes;
    }
    pthread_rwlock_unlock(&memory_lock);
    return whole ? SUCCESS : INVALID_VALUE;
}

API CUresult cuMemGetAccess(unsigned long long *flags, const void *location, CUdeviceptr address) {
    (void) location;
    pthread_rwlock_rdlock(&memory_lock);
    struct mapping *mapping = mapping_at(address);
    if (mapping && flags) *flags = (unsigned long long) mapping->access;
    pthread_rwlock_unlock(&memory_lock);
    return mapping && flags ? SUCCESS : INVALID_VALUE;
}
