/* The stand-in for libnvidia-ml.so.1: one device with fixed figures and no fan. */
#include <string.h>

#define API __attribute__((visibility("default")))

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6 };

static int device;

API int nvmlInit_v2(void) { return SUCCESS; }

API int nvmlShutdown(void) { return SUCCESS; }

API int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    static const char standin[] = "560.00-standin";
    if (length < sizeof standin) return 7;
    memcpy(version, standin, sizeof standin);
    return SUCCESS;
}

API int nvmlDeviceGetHandleByUUID(const char *uuid, void **out) {
    /* "dormouse-standin" with the ordinal in its last byte, as cuDeviceGetUuid gives it. */
    if (strncmp(uuid, "GPU-646f726d-6f75-7365-2d73-74616e6469", 38)) return NOT_FOUND;
    *out = &device;
    return SUCCESS;
}

API int nvmlDeviceGetTemperature(void *of, int sensor, unsigned *celsius) {
    (void) of;
    if (sensor) return INVALID_ARGUMENT;
    *celsius = 41;
    return SUCCESS;
}

API int nvmlDeviceGetUtilizationRates(void *of, unsigned *rates) {
    (void) of;
    rates[0] = 12;
    rates[1] = 3;
    return SUCCESS;
}

API int nvmlDeviceGetMemoryInfo(void *of, unsigned long long *memory) {
    (void) of;
    memory[0] = 16ull << 30;
    memory[1] = 15ull << 30;
    memory[2] = 1ull << 30;
    return SUCCESS;
}

API int nvmlDeviceGetFanSpeed(void *of, unsigned *percent) {
    (void) of;
    (void) percent;
    return NOT_SUPPORTED;
}

API int nvmlDeviceGetPowerUsage(void *of, unsigned *milliwatts) {
    (void) of;
    *milliwatts = 75500;
    return SUCCESS;
}

API int nvmlDeviceGetFieldValues(void *of, int count, unsigned char *fields) {
    (void) of;
    for (int i = 0; i < count; i++) {
        unsigned char *field = fields + i * 40;
        int known = *(int *) field == 82;
        *(int *) (field + 28) = known ? SUCCESS : NOT_SUPPORTED;
        *(unsigned *) (field + 32) = 52;
    }
    return SUCCESS;
}
