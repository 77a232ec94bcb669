package dev.dormouse.gpu;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaEngineClient;
import dev.dormouse.sidecar.cuda.DeviceAttachment;
import dev.dormouse.sidecar.cuda.EngineHooks;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * An engine: {@code socket runs}. Attaches so many times, saying {@code attached n attachNanos totalNanos crc} each time.
 * The last time it says {@code serving}, stays until its sidecar is gone and looks at its memory again: {@code after crc}.
 */
final class EngineChild {
    private EngineChild() {}

    public static void main(String[] arguments) throws Exception {
        int runs = Integer.parseInt(arguments[1]);
        try (CudaContext context = CudaContext.open(0)) {
            for (int run = 1; run <= runs; run++) {
                try (CudaEngineClient client = CudaEngineClient.connect(Path.of(arguments[0]), SampleSnapshot.hello(),
                        context, Duration.ofMinutes(2))) {
                    if (client.welcome().mode() != Mode.Attach) {
                        throw new IOException("the sidecar offers no snapshot: " + client.welcome());
                    }
                    long start = System.nanoTime();
                    DeviceAttachment attached = client.attach();
                    long mapped = System.nanoTime();
                    client.await(null);
                    long there = System.nanoTime();
                    System.out.println("attached " + run + " " + (mapped - start) + " " + (there - start) + " "
                            + crc(context, attached));
                    if (run == runs) {
                        client.ready(new EngineMessage.Ready(List.of(), null, 0));
                        System.out.println("serving");
                        client.serve(EngineHooks.NONE);
                        System.out.println("after " + crc(context, attached));
                    }
                }
            }
        }
    }

    private static long crc(CudaContext context, DeviceAttachment attached) {
        long all = 0;
        for (BufferMeta buffer : attached.buffers().values()) {
            all = all * 31 + Weights.crc(context, attached.address(buffer.name()), buffer.length());
        }
        return all;
    }
}
