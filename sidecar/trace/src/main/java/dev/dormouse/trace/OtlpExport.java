package dev.dormouse.trace;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.SpanProcessor;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.samplers.Sampler;
import java.util.concurrent.TimeUnit;

/** Sends a process' spans by OTLP over HTTP. Whether a trace that others began is recorded, they have decided. */
public final class OtlpExport implements AutoCloseable {
    private static final long LAST_SPANS_SECONDS = 3;

    private final SdkTracerProvider provider;

    /**
     * @param endpoint of a collector, e.g. {@code http://collector:4318}; {@code /v1/traces} is appended
     * @param service what this process is, e.g. {@code dormouse-gateway}
     * @param instance which of them
     * @param share of the traces begun here that are recorded, 0 to 1
     */
    public static OtlpExport to(String endpoint, String service, String instance, double share) {
        String traces = endpoint.endsWith("/v1/traces") ? endpoint : endpoint.replaceAll("/+$", "") + "/v1/traces";
        return new OtlpExport(
                BatchSpanProcessor.builder(OtlpHttpSpanExporter.builder().setEndpoint(traces).build()).build(),
                service, instance, share);
    }

    /** @param processor is given every span that has ended */
    public OtlpExport(SpanProcessor processor, String service, String instance, double share) {
        Resource resource = Resource.create(Attributes.builder()
                .put("service.name", service)
                .put("service.instance.id", instance)
                .build());
        provider = SdkTracerProvider.builder()
                .setResource(resource)
                .setSampler(Sampler.parentBased(Sampler.traceIdRatioBased(share)))
                .addSpanProcessor(processor)
                .build();
    }

    public Tracer tracer() {
        return provider.get("dev.dormouse");
    }

    /** Sends what is not sent yet, for a few seconds at most. */
    @Override
    public void close() {
        provider.shutdown().join(LAST_SPANS_SECONDS, TimeUnit.SECONDS);
    }
}
