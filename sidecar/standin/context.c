/* Initialization, devices, contexts, errors. */
#include "cuda.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEVICES 8
#define MAX_STACK 16

pthread_mutex_t context_lock = PTHREAD_MUTEX_INITIALIZER;
static bool ready;
static struct context primaries[MAX_DEVICES];
static __thread CUcontext stack[MAX_STACK];
static __thread int depth;

int device_count(void) {
    const char *text = getenv("STANDIN_DEVICES");
    int count = text ? atoi(text) : 1;
    return count < 0 ? 0 : count > MAX_DEVICES ? MAX_DEVICES : count;
}

uint64_t device_bytes(void) {
    const char *text = getenv("STANDIN_MEMORY");
    return text ? strtoull(text, NULL, 10) : 16ull << 30;
}

CUresult initialized(void) { return ready ? SUCCESS : NOT_INITIALIZED; }

CUresult current(CUcontext *context) {
    if (!ready) return NOT_INITIALIZED;
    CUcontext top = depth ? stack[depth - 1] : NULL;
    if (!top || top->users == 0) return INVALID_CONTEXT;
    *context = top;
    return top->sticky;
}

API CUresult cuInit(unsigned flags) {
    if (flags) return INVALID_VALUE;
    if (device_count() == 0) return NO_DEVICE;
    pthread_mutex_lock(&context_lock);
    for (int i = 0; !ready && i < MAX_DEVICES; i++) primaries[i] = (struct context){.device = i, .primary = true};
    ready = true;
    pthread_mutex_unlock(&context_lock);
    return SUCCESS;
}

API CUresult cuDriverGetVersion(int *version) {
    if (!version) return INVALID_VALUE;
    const char *text = getenv("STANDIN_DRIVER");
    *version = text ? atoi(text) : 12060;
    return SUCCESS;
}

static CUresult known(CUdevice device) {
    if (!ready) return NOT_INITIALIZED;
    return device >= 0 && device < device_count() ? SUCCESS : INVALID_DEVICE;
}

API CUresult cuDeviceGetCount(int *count) {
    if (!ready) return NOT_INITIALIZED;
    if (!count) return INVALID_VALUE;
    *count = device_count();
    return SUCCESS;
}

API CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    CUresult result = known(ordinal);
    if (result == SUCCESS) *device = ordinal;
    return result;
}

API CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
    CUresult result = known(device);
    if (result == SUCCESS && length > 0) {
        strncpy(name, "Dormouse stand-in", (size_t) length - 1);
        name[length - 1] = 0;
    }
    return result;
}

API CUresult cuDeviceGetUuid(device_uuid *uuid, CUdevice device) {
    CUresult result = known(device);
    if (result == SUCCESS) {
        memcpy(uuid->bytes, "dormouse-standin", 16);
        uuid->bytes[15] = (char) device;
    }
    return result;
}

API CUresult cuDeviceGetUuid_v2(device_uuid *uuid, CUdevice device) { return cuDeviceGetUuid(uuid, device); }

API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    CUresult result = known(device);
    if (result == SUCCESS) *bytes = device_bytes();
    return result;
}

API CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
    CUresult result = known(device);
    if (result != SUCCESS) return result;
    switch (attribute) {
        case 40: *value = 2; return SUCCESS;   /* ASYNC_ENGINE_COUNT */
        case 41: *value = 1; return SUCCESS;   /* UNIFIED_ADDRESSING */
        case 75: *value = 9; return SUCCESS;   /* COMPUTE_CAPABILITY_MAJOR */
        case 76: *value = 0; return SUCCESS;   /* COMPUTE_CAPABILITY_MINOR */
        case 99: *value = 1; return SUCCESS;   /* HOST_REGISTER_SUPPORTED */
        case 102: *value = 1; return SUCCESS;  /* VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED */
        case 103: *value = 1; return SUCCESS;  /* HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED */
        case 113: *value = 0; return SUCCESS;  /* READ_ONLY_HOST_REGISTER_SUPPORTED */
        default: *value = 0; return attribute > 0 ? SUCCESS : INVALID_VALUE;
    }
}

API CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device) {
    CUresult result = cuDeviceGetAttribute(major, 75, device);
    return result == SUCCESS ? cuDeviceGetAttribute(minor, 76, device) : result;
}

API CUresult cuDeviceGetPCIBusId(char *id, int length, CUdevice device) {
    CUresult result = known(device);
    if (result == SUCCESS && length > 12) memcpy(id, "0000:00:00.0", 13);
    return result == SUCCESS && length <= 12 ? INVALID_VALUE : result;
}

API CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    CUresult result = known(device);
    if (result != SUCCESS) return result;
    pthread_mutex_lock(&context_lock);
    primaries[device].users++;
    *context = &primaries[device];
    pthread_mutex_unlock(&context_lock);
    return SUCCESS;
}

static void end(CUcontext context) {
    streams_close(context);
    free_of_context(context);
    context->sticky = SUCCESS;
}

API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    CUresult result = known(device);
    if (result != SUCCESS) return result;
    pthread_mutex_lock(&context_lock);
    CUcontext context = &primaries[device];
    bool last = context->users == 1;
    if (context->users == 0) result = INVALID_CONTEXT; else context->users--;
    pthread_mutex_unlock(&context_lock);
    if (last) end(context);
    return result;
}

API CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
    CUresult result = known(device);
    if (result == SUCCESS) end(&primaries[device]);
    return result;
}

API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active) {
    CUresult result = known(device);
    if (result == SUCCESS) {
        *flags = 0;
        *active = primaries[device].users > 0;
    }
    return result;
}

static CUresult push(CUcontext context) {
    if (depth == MAX_STACK) return INVALID_CONTEXT;
    stack[depth++] = context;
    return SUCCESS;
}

API CUresult cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice device) {
    (void) flags;
    CUresult result = known(device);
    if (result != SUCCESS) return result;
    *context = calloc(1, sizeof(struct context));
    if (!*context) return OUT_OF_MEMORY;
    (*context)->device = device;
    (*context)->users = 1;
    return push(*context);
}

API CUresult cuCtxDestroy_v2(CUcontext context) {
    if (!context || context->primary || context->users == 0) return INVALID_CONTEXT;
    end(context);
    /* Never freed: another thread may still name it, and must be told that it is gone. */
    context->users = 0;
    if (depth && stack[depth - 1] == context) depth--;
    return SUCCESS;
}

API CUresult cuCtxSetCurrent(CUcontext context) {
    if (!ready) return NOT_INITIALIZED;
    if (context && context->users == 0) return INVALID_CONTEXT;
    if (!context) {
        if (depth) depth--;
        return SUCCESS;
    }
    if (!depth) return push(context);
    stack[depth - 1] = context;
    return SUCCESS;
}

API CUresult cuCtxGetCurrent(CUcontext *context) {
    if (!ready) return NOT_INITIALIZED;
    *context = depth ? stack[depth - 1] : NULL;
    return SUCCESS;
}

API CUresult cuCtxPushCurrent_v2(CUcontext context) {
    return !context || context->users == 0 ? INVALID_CONTEXT : push(context);
}

API CUresult cuCtxPopCurrent_v2(CUcontext *context) {
    if (!depth) return INVALID_CONTEXT;
    depth--;
    if (context) *context = stack[depth];
    return SUCCESS;
}

API CUresult cuCtxGetDevice(CUdevice *device) {
    CUcontext context;
    CUresult result = current(&context);
    if (result == SUCCESS) *device = context->device;
    return result;
}

API CUresult cuCtxSynchronize(void) {
    CUcontext context;
    CUresult result = current(&context);
    return result == SUCCESS ? streams_wait(context, true) : result;
}

static const struct { CUresult code; const char *name, *text; } errors[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {DEINITIALIZED, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {MAP_FAILED, "CUDA_ERROR_MAP_FAILED", "mapping of buffer object failed"},
    {ALREADY_MAPPED, "CUDA_ERROR_ALREADY_MAPPED", "resource already mapped"},
    {NOT_MAPPED, "CUDA_ERROR_NOT_MAPPED", "resource not mapped"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {HOST_MEMORY_ALREADY_REGISTERED, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED",
     "part or all of the requested memory range is already mapped"},
    {HOST_MEMORY_NOT_REGISTERED, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED",
     "pointer does not correspond to a registered memory region"},
    {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};

static CUresult describe(CUresult code, const char **text, bool name) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i].code == code) {
            *text = name ? errors[i].name : errors[i].text;
            return SUCCESS;
        }
    }
    *text = NULL;
    return INVALID_VALUE;
}

API CUresult cuGetErrorName(CUresult code, const char **text) { return describe(code, text, true); }

API CUresult cuGetErrorString(CUresult code, const char **text) { return describe(code, text, false); }
