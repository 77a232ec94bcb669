/* CUDA IPC: a block of cuMemAlloc, used by another process. */
#include "cuda.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct contents {
    char magic[8];
    int pid, fd;
    uint64_t inode;
};

API CUresult cuIpcGetMemHandle(ipc_handle *handle, CUdeviceptr address) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    pthread_rwlock_rdlock(&memory_lock);
    struct mapping *mapping = mapping_at(address);
    /* Memory of the virtual memory calls cannot be exported so, nor what was opened from another process. */
    if (!handle || !mapping || mapping->kind != ALLOCATED) result = INVALID_VALUE;
    else {
        struct contents contents = {"standin", getpid(), mapping->block->fd, mapping->inode};
        memset(handle, 0, sizeof *handle);
        memcpy(handle, &contents, sizeof contents);
    }
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

static CUresult open_block(const struct contents *contents, CUcontext context, CUdeviceptr *address) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", contents->pid, contents->fd);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat stat;
    /* No such process in this PID namespace, or it has ended. */
    if (fd < 0) return INVALID_CONTEXT;
    CUresult result = INVALID_VALUE;
    struct block *block = fstat(fd, &stat) || stat.st_ino != contents->inode ? NULL : block_of_descriptor(fd, &result);
    close(fd);
    if (!block) return result;
    *address = reserve_addresses(block->bytes, GRANULARITY);
    mapping_add(*address, block, OPENED, ACCESS_READWRITE, context);
    return SUCCESS;
}

API CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *address, ipc_handle handle, unsigned flags) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    struct contents contents;
    memcpy(&contents, &handle, sizeof contents);
    if (!address || flags != 1 || strcmp(contents.magic, "standin")) return INVALID_VALUE;
    if (contents.pid == getpid()) return INVALID_CONTEXT;
    pthread_rwlock_wrlock(&memory_lock);
    struct mapping *open = mapping_of_inode(contents.inode, OPENED);
    if (open && open->owner == context) {
        open->opens++;
        *address = open->address;
    } else if (open) {
        /* One context per device and process. */
        result = INVALID_CONTEXT;
    } else {
        result = open_block(&contents, context, address);
    }
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

API CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    result = streams_wait(context, true);
    pthread_rwlock_wrlock(&memory_lock);
    struct mapping *mapping = mapping_at(address);
    if (!mapping || mapping->kind != OPENED || mapping->address != address) result = INVALID_VALUE;
    else if (--mapping->opens == 0) mapping_remove(mapping);
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

/* CU_POINTER_ATTRIBUTE_…: CONTEXT 1, MEMORY_TYPE 2, DEVICE_POINTER 3, HOST_POINTER 4, DEVICE_ORDINAL 9, RANGE_START_ADDR 11, RANGE_SIZE 12. */
API CUresult cuPointerGetAttribute(void *value, int attribute, CUdeviceptr address) {
    if (initialized() != SUCCESS) return NOT_INITIALIZED;
    CUresult result = SUCCESS;
    pthread_rwlock_rdlock(&memory_lock);
    struct mapping *mapping = mapping_at(address);
    if (!value || !mapping) {
        result = INVALID_VALUE;
        if (value && attribute == 2 && pinned((void *) (uintptr_t) address, 1)) {
            *(unsigned *) value = 1;
            result = SUCCESS;
        }
    } else switch (attribute) {
        case 2: *(unsigned *) value = 2; break;
        case 3: *(CUdeviceptr *) value = address; break;
        case 9: *(int *) value = mapping->owner ? mapping->owner->device : 0; break;
        case 11: *(CUdeviceptr *) value = mapping->address; break;
        case 12: *(size_t *) value = mapping->bytes; break;
        default: result = NOT_SUPPORTED;
    }
    pthread_rwlock_unlock(&memory_lock);
    return result;
}
