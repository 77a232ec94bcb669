/* Device memory: blocks, the addresses they are mapped at, cuMemAlloc. */
#include "cuda.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "cuda-standin"
#define GARBAGE (16ull << 20)

pthread_rwlock_t memory_lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

/* Sorted by address. */
static struct mapping **mappings;
static size_t mapped, room;

static struct block **blocks;
static size_t block_total, block_room;

void *grown(void *array, size_t used, size_t *capacity, size_t item) {
    if (used < *capacity) return array;
    *capacity = *capacity ? *capacity * 2 : 64;
    return realloc(array, *capacity * item);
}

/* ---- blocks */

static bool ours(int fd) {
    char path[64], name[64] = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, name, sizeof name - 1) > 0 && strncmp(name, "/memfd:" NAME, 7 + sizeof NAME - 1) == 0;
}

static struct block *block_add(int fd, uint64_t bytes) {
    struct block *block = calloc(1, sizeof *block);
    char *alias = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!block || alias == ((void *) -1)) {
        free(block);
        close(fd);
        return NULL;
    }
    *block = (struct block){.fd = fd, .bytes = bytes, .users = 1, .alias = alias};
    blocks = grown(blocks, block_total, &block_room, sizeof *blocks);
    blocks[block_total++] = block;
    return block;
}

uint64_t device_used(void) {
    uint64_t used = 0, seen[4096];
    size_t count = 0;
    DIR *processes = opendir("/proc");
    for (struct dirent *process; processes && (process = readdir(processes));) {
        if (process->d_name[0] < '0' || process->d_name[0] > '9') continue;
        char folder[300];
        snprintf(folder, sizeof folder, "/proc/%s/fd", process->d_name);
        DIR *files = opendir(folder);
        for (struct dirent *file; files && (file = readdir(files));) {
            char path[600], name[64] = {0};
            struct stat stat;
            snprintf(path, sizeof path, "%s/%s", folder, file->d_name);
            if (readlink(path, name, sizeof name - 1) < 0 || strncmp(name, "/memfd:" NAME, 7 + sizeof NAME - 1)
                || fstatat(AT_FDCWD, path, &stat, 0)) continue;
            bool known = false;
            for (size_t i = 0; i < count && !known; i++) known = seen[i] == stat.st_ino;
            if (known) continue;
            if (count < sizeof seen / sizeof *seen) seen[count++] = stat.st_ino;
            used += (uint64_t) stat.st_size;
        }
        if (files) closedir(files);
    }
    if (processes) closedir(processes);
    return used;
}

struct block *block_create(CUdevice device, uint64_t bytes, CUresult *why) {
    (void) device;
    if (bytes > device_bytes() || device_used() > device_bytes() - bytes) {
        *why = OUT_OF_MEMORY;
        return NULL;
    }
    int fd = memfd_create(NAME, MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t) bytes)) {
        if (fd >= 0) close(fd);
        *why = OUT_OF_MEMORY;
        return NULL;
    }
    struct block *block = block_add(fd, bytes);
    if (!block) {
        *why = OUT_OF_MEMORY;
        return NULL;
    }
    /* What it holds is undefined: whoever relies on zeros must not pass. */
    uint64_t edge = bytes < GARBAGE ? bytes : GARBAGE;
    memset(block->alias, 0xA5, edge);
    memset(block->alias + bytes - edge, 0xA5, edge);
    *why = SUCCESS;
    return block;
}

struct block *block_of_descriptor(int fd, CUresult *why) {
    struct stat stat;
    *why = INVALID_VALUE;
    if (!ours(fd) || fstat(fd, &stat)) return NULL;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    struct block *block = own < 0 ? NULL : block_add(own, (uint64_t) stat.st_size);
    *why = block ? SUCCESS : OUT_OF_MEMORY;
    return block;
}

void block_drop(struct block *block) {
    if (--block->users) return;
    for (size_t i = 0; i < block_total; i++) {
        if (blocks[i] == block) {
            blocks[i] = blocks[--block_total];
            break;
        }
    }
    munmap(block->alias, block->bytes);
    close(block->fd);
    free(block);
}

uint64_t block_inode(const struct block *block) {
    struct stat stat;
    return fstat(block->fd, &stat) ? 0 : (uint64_t) stat.st_ino;
}

struct block *block_of_handle(CUhandle handle) {
    for (size_t i = 0; i < block_total; i++) {
        if ((CUhandle) (uintptr_t) blocks[i] == handle && blocks[i]->handles > 0) return blocks[i];
    }
    return NULL;
}

/* ---- addresses */

CUdeviceptr reserve_addresses(uint64_t bytes, uint64_t alignment) {
    if (alignment < GRANULARITY) alignment = GRANULARITY;
    uint64_t whole = bytes + alignment;
    /* Nobody on the host may touch device memory by its device address. */
    char *start = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == ((void *) -1)) return 0;
    uintptr_t aligned = ((uintptr_t) start + alignment - 1) / alignment * alignment;
    if (aligned > (uintptr_t) start) munmap(start, aligned - (uintptr_t) start);
    uintptr_t end = (uintptr_t) start + whole;
    if (end > aligned + bytes) munmap((void *) (aligned + bytes), end - aligned - bytes);
    return aligned;
}

/* The index after the last mapping that begins at or before the address. */
static size_t place(CUdeviceptr address) {
    size_t low = 0, high = mapped;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (mappings[middle]->address <= address) low = middle + 1; else high = middle;
    }
    return low;
}

struct mapping *mapping_at(CUdeviceptr address) {
    size_t after = place(address);
    if (!after) return NULL;
    struct mapping *mapping = mappings[after - 1];
    return address - mapping->address < mapping->bytes ? mapping : NULL;
}

bool any_mapped(CUdeviceptr address, uint64_t bytes) {
    size_t after = place(address);
    return mapping_at(address) || (after < mapped && mappings[after]->address - address < bytes);
}

char *device_alias(CUdeviceptr address, uint64_t bytes, int access) {
    struct mapping *mapping = mapping_at(address);
    if (!mapping || (mapping->access & access) != access || bytes > mapping->bytes - (address - mapping->address)) return NULL;
    return mapping->block->alias + (address - mapping->address);
}

struct mapping *mapping_add(CUdeviceptr address, struct block *block, enum mapping_kind kind, int access, CUcontext owner) {
    struct mapping *mapping = calloc(1, sizeof *mapping);
    *mapping = (struct mapping){.address = address, .bytes = block->bytes, .block = block, .kind = kind, .access = access,
                                .owner = owner, .opens = 1, .inode = block_inode(block)};
    mappings = grown(mappings, mapped, &room, sizeof *mappings);
    size_t at = place(address);
    memmove(mappings + at + 1, mappings + at, (mapped++ - at) * sizeof *mappings);
    mappings[at] = mapping;
    return mapping;
}

void mapping_remove(struct mapping *mapping) {
    size_t at = place(mapping->address) - 1;
    memmove(mappings + at, mappings + at + 1, (--mapped - at) * sizeof *mappings);
    if (mapping->kind != MAPPED) munmap((void *) (uintptr_t) mapping->address, mapping->bytes);
    block_drop(mapping->block);
    free(mapping);
}

struct mapping *mapping_of_inode(uint64_t inode, enum mapping_kind kind) {
    for (size_t i = 0; i < mapped; i++) {
        if (mappings[i]->kind == kind && mappings[i]->inode == inode) return mappings[i];
    }
    return NULL;
}

/* What belongs to a context ends with it; memory of the virtual memory calls belongs to none. */
void free_of_context(CUcontext context) {
    pthread_rwlock_wrlock(&memory_lock);
    for (size_t i = mapped; i-- > 0;) {
        if (mappings[i]->kind != MAPPED && mappings[i]->owner == context) mapping_remove(mappings[i]);
    }
    pthread_rwlock_unlock(&memory_lock);
}

/* ---- cuMemAlloc */

API CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    if (!address || !bytes) return INVALID_VALUE;
    pthread_rwlock_wrlock(&memory_lock);
    uint64_t whole = (bytes + 511) / 512 * 512;
    struct block *block = block_create(context->device, whole, &result);
    if (block) {
        *address = reserve_addresses(whole, GRANULARITY);
        mapping_add(*address, block, ALLOCATED, ACCESS_READWRITE, context);
    }
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

API CUresult cuMemFree_v2(CUdeviceptr address) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS || !address) return result;
    /* Freeing waits for the work that may use it. */
    result = streams_wait(context, true);
    pthread_rwlock_wrlock(&memory_lock);
    struct mapping *mapping = mapping_at(address);
    if (!mapping || mapping->kind != ALLOCATED || mapping->address != address) result = INVALID_VALUE;
    else mapping_remove(mapping);
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

API CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *bytes, CUdeviceptr address) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    pthread_rwlock_rdlock(&memory_lock);
    struct mapping *mapping = mapping_at(address);
    if (!mapping) result = INVALID_VALUE;
    else {
        if (base) *base = mapping->address;
        if (bytes) *bytes = mapping->bytes;
    }
    pthread_rwlock_unlock(&memory_lock);
    return result;
}

API CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
    CUcontext context;
    CUresult result = current(&context);
    if (result != SUCCESS) return result;
    uint64_t used = device_used();
    *total = device_bytes();
    *free = used > *total ? 0 : *total - used;
    return SUCCESS;
}
