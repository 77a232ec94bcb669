package dev.dormouse.sidecar.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Safetensors files written byte by byte, good ones and others. */
final class SafetensorsFile {
    private SafetensorsFile() {}

    static byte[] bytes(String header, byte[] data) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return bytes(json.length, json, data);
    }

    static byte[] bytes(long length, byte[] json, byte[] data) {
        return ByteBuffer.allocate(Long.BYTES + json.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(json)
                .put(data)
                .array();
    }

    static Path write(Path path, String header, byte[] data) throws IOException {
        return Files.write(path, bytes(header, data));
    }
}
