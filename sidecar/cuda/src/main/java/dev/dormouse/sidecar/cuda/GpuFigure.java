package dev.dormouse.sidecar.cuda;

/** What is measured of a GPU while it works (BL40). */
public enum GpuFigure {
    Temperature("temperature_celsius", "temperature of the GPU"), MemoryTemperature("memory_temperature_celsius",
            "temperature of the GPU's memory"), Utilization("utilization_percent",
                    "part of the last sample period in which a kernel ran"), MemoryUtilization(
                            "memory_utilization_percent",
                            "part of the last sample period in which memory was accessed"), MemoryUsed(
                                    "memory_used_bytes", "memory of the GPU in use, by all processes"), MemoryTotal(
                                            "memory_total_bytes", "memory of the GPU"), Fan("fan_percent",
                                                    "speed of the fan"), Power("power_watts", "power drawn");

    private final String metric;
    private final String help;

    GpuFigure(String metric, String help) {
        this.metric = metric;
        this.help = help;
    }

    /** Name as a metric, unit last. */
    public String metric() {
        return metric;
    }

    public String help() {
        return help;
    }
}
