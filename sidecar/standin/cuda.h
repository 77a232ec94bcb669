/* The part of the CUDA driver's binary interface that the stand-in implements, and what its files share. Values and
 * layouts are those of the driver (64-bit Linux); see docs/stand-in.md for where each rule comes from. */
#ifndef STANDIN_CUDA_H
#define STANDIN_CUDA_H

#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API __attribute__((visibility("default")))

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef unsigned long long CUhandle;
typedef struct context *CUcontext;
typedef struct stream *CUstream;
typedef struct event *CUevent;

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    DEINITIALIZED = 4,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    MAP_FAILED = 205,
    ALREADY_MAPPED = 208,
    NOT_MAPPED = 211,
    INVALID_HANDLE = 400,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    HOST_MEMORY_ALREADY_REGISTERED = 712,
    HOST_MEMORY_NOT_REGISTERED = 713,
    NOT_SUPPORTED = 801,
};

/* CUmemAllocationProp. */
typedef struct {
    int type;
    int requestedHandleTypes;
    struct { int type; int id; } location;
    void *win32;
    struct { unsigned char compression, gdrCapable; unsigned short usage; unsigned char reserved[4]; } flags;
} allocation_prop;

/* CUmemAccessDesc. */
typedef struct {
    struct { int type; int id; } location;
    int flags;
} access_desc;

typedef struct { char bytes[64]; } ipc_handle;
typedef struct { char bytes[16]; } device_uuid;

enum { ACCESS_NONE = 0, ACCESS_READ = 1, ACCESS_READWRITE = 3 };
enum { POSIX_FD = 1 };
#define GRANULARITY (2ull << 20)

/* ---- context.c */

struct context {
    CUdevice device;
    bool primary;
    int users;
    /* The first error of work that ran; every later call on the context answers it. */
    CUresult sticky;
    struct stream *streams;
};

/* The calling thread's context, or why there is none: what every call that needs a context begins with. */
CUresult current(CUcontext *context);
CUresult initialized(void);
int device_count(void);
uint64_t device_bytes(void);
/* Guards contexts, streams lists and the thread-independent state of context.c. */
extern pthread_mutex_t context_lock;

/* ---- memory.c */

/* Memory of a device: a memfd, so that any process that holds a descriptor can use it. */
struct block {
    int fd;
    uint64_t bytes;
    /* Handles (cuMemCreate, import, retain), mappings, and the cuMemAlloc or cuIpcOpenMemHandle that made it. */
    int users;
    int handles;
    int handle_types;
    char *alias;
};

enum mapping_kind { MAPPED, ALLOCATED, OPENED };

/* A range of device addresses with memory behind it. */
struct mapping {
    CUdeviceptr address;
    uint64_t bytes;
    struct block *block;
    enum mapping_kind kind;
    int access;
    CUcontext owner;
    int opens;
    uint64_t inode;
};

/* Copies hold it shared while they touch memory; whoever maps, unmaps or frees holds it alone. */
extern pthread_rwlock_t memory_lock;

struct block *block_create(CUdevice device, uint64_t bytes, CUresult *why);
struct block *block_of_descriptor(int fd, CUresult *why);
void block_drop(struct block *block);
struct block *block_of_handle(CUhandle handle);
uint64_t block_inode(const struct block *block);
/* All device memory that any process of this machine holds. */
uint64_t device_used(void);

/* Under memory_lock. A range of one mapping, with at least this access; NULL when there is none. */
char *device_alias(CUdeviceptr address, uint64_t bytes, int access);
struct mapping *mapping_at(CUdeviceptr address);
struct mapping *mapping_add(CUdeviceptr address, struct block *block, enum mapping_kind kind, int access, CUcontext owner);
void mapping_remove(struct mapping *mapping);
struct mapping *mapping_of_inode(uint64_t inode, enum mapping_kind kind);
bool any_mapped(CUdeviceptr address, uint64_t bytes);
/* The array with room for one more. */
void *grown(void *array, size_t used, size_t *capacity, size_t item);
void free_of_context(CUcontext context);
/* Address space that the host cannot touch. */
CUdeviceptr reserve_addresses(uint64_t bytes, uint64_t alignment);

/* ---- host.c */

bool pinned(const void *host, uint64_t bytes);

/* ---- copy.c */

enum kind { COPY, FILL, RECORD, WAIT, CALL };

struct work {
    enum kind kind;
    CUdeviceptr to, from;
    char *host_to;
    const char *host_from;
    uint64_t bytes;
    void *owned;
    int value, width;
    CUevent event;
    uint64_t ticket;
    void (*call)(void *);
    void (*callback)(CUstream, CUresult, void *);
    void *argument;
    struct work *next;
};

/* Does a COPY or FILL now. */
CUresult move(const struct work *work);

/* ---- stream.c */

/* The calling thread's context, and whether the stream (NULL: the default one) is one of its own. */
CUresult stream_of(CUstream stream, CUcontext *context);
/* Takes the work over, whatever the answer. The default stream waits for the others, then does it at once. */
CUresult submit(CUstream stream, CUcontext context, struct work description);
/* Waits until the stream has done all it was given. */
void drain(CUstream stream);

void streams_close(CUcontext context);
/* Waits for the streams that synchronize with the default one, or for all. */
CUresult streams_wait(CUcontext context, bool all);

#endif
