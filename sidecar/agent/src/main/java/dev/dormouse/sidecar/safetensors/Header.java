package dev.dormouse.sidecar.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * What stands before a file's data.
 *
 * @param bytes the header as it is in the file, its length in front
 * @param tensors in the order of their data, without a hole between them
 */
record Header(byte[] bytes, List<Tensor> tensors) {
    /** Of the reference implementation. */
    static final int MAX_BYTES = 100_000_000;

    static final int LENGTH_BYTES = Long.BYTES;

    private static final int ALIGNMENT = 8;
    private static final int MAX_NESTING = 4;
    private static final int MAX_NAME = 4096;
    static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_NESTING)
                    .maxNumberLength(20)
                    .maxNameLength(MAX_NAME)
                    .maxStringLength(MAX_BYTES)
                    .build())
            .build();

    /** Bytes of all tensors. */
    long dataBytes() {
        return tensors.isEmpty() ? 0 : tensors.getLast().offset() + tensors.getLast().length();
    }

    /**
     * Reads the first bytes of a file.
     *
     * @param fileBytes length of the whole file
     * @param file its name, for messages
     * @throws InvalidSafetensorsException when the header breaks a rule
     */
    static Header read(Source source, long fileBytes, String file) throws IOException {
        if (fileBytes < LENGTH_BYTES) {
            throw new InvalidSafetensorsException(
                    file + ": has " + fileBytes + " bytes; the length of its header alone takes " + LENGTH_BYTES);
        }
        ByteBuffer prefix = ByteBuffer.allocate(LENGTH_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        source.read(prefix, 0);
        long length = prefix.flip().getLong();
        if (length < 2 || length > MAX_BYTES || length > fileBytes - LENGTH_BYTES) {
            throw new InvalidSafetensorsException(
                    "%s: a header of %s bytes does not fit; the file has %d, and %d is the most a header may have"
                            .formatted(file, Long.toUnsignedString(length), fileBytes, MAX_BYTES));
        }
        ByteBuffer whole = ByteBuffer.allocate(LENGTH_BYTES + (int) length);
        source.read(whole, 0);
        Header header = parse(whole.array(), file);
        long dataBytes = fileBytes - whole.capacity();
        if (header.dataBytes() != dataBytes) {
            throw new InvalidSafetensorsException("%s: its tensors take %d bytes, %d follow the header".formatted(file,
                    header.dataBytes(), dataBytes));
        }
        return header;
    }

    /** @param bytes header with its length in front */
    static Header parse(byte[] bytes, String file) throws InvalidSafetensorsException {
        if (bytes.length <= LENGTH_BYTES || bytes[LENGTH_BYTES] != '{') {
            throw new InvalidSafetensorsException(file + ": its header does not begin with '{'");
        }
        List<Tensor> tensors;
        try (var parser = JSON.createParser(bytes, LENGTH_BYTES, bytes.length - LENGTH_BYTES)) {
            tensors = new HeaderParser(parser, file).tensors();
        } catch (JsonProcessingException e) {
            throw new InvalidSafetensorsException(file + ": its header cannot be used: " + e.getOriginalMessage()
                    + " at byte " + e.getLocation().getByteOffset(), e);
        } catch (InvalidSafetensorsException e) {
            throw e;
        } catch (IOException e) {
            throw new InvalidSafetensorsException(file + ": its header cannot be read: " + e.getMessage(), e);
        }
        return new Header(bytes, contiguous(tensors, file));
    }

    /** Holes and overlaps would be bytes that nobody or two tensors own: the reference refuses them too. */
    private static List<Tensor> contiguous(List<Tensor> tensors, String file) throws InvalidSafetensorsException {
        List<Tensor> ordered = tensors.stream()
                .sorted(Comparator.comparingLong(Tensor::offset).thenComparingLong(Tensor::length))
                .toList();
        long end = 0;
        for (Tensor tensor : ordered) {
            if (tensor.offset() != end) {
                throw new InvalidSafetensorsException("%s: tensor '%s' begins at %d, the one before ends at %d"
                        .formatted(file, tensor.name(), tensor.offset(), end));
            }
            end = tensor.offset() + tensor.length();
        }
        return ordered;
    }

    /**
     * A header as the reference writes it: wide elements first, then by name, so that all are aligned.
     *
     * @param tensors their offsets do not matter
     */
    static Header of(List<Tensor> tensors, Map<String, String> metadata) {
        List<Tensor> placed = new ArrayList<>(tensors.size());
        long offset = 0;
        for (Tensor tensor : tensors.stream()
                .sorted(Comparator.comparing((Tensor tensor) -> -tensor.dtype().width()).thenComparing(Tensor::name))
                .toList()) {
            placed.add(new Tensor(tensor.name(), tensor.dtype(), tensor.shape(), offset, tensor.length()));
            offset += tensor.length();
        }
        return new Header(write(placed, metadata), List.copyOf(placed));
    }

    private static byte[] write(List<Tensor> tensors, Map<String, String> metadata) {
        var out = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(out)) {
            json.writeStartObject();
            json.writeObjectFieldStart(HeaderParser.METADATA);
            for (var entry : metadata.entrySet()) {
                json.writeStringField(entry.getKey(), entry.getValue());
            }
            json.writeEndObject();
            for (Tensor tensor : tensors) {
                json.writeObjectFieldStart(tensor.name());
                json.writeStringField("dtype", tensor.dtype().name());
                json.writeFieldName("shape");
                long[] shape = tensor.shape().stream().mapToLong(Long::longValue).toArray();
                json.writeArray(shape, 0, shape.length);
                json.writeFieldName("data_offsets");
                json.writeArray(new long[]{tensor.offset(), tensor.offset() + tensor.length()}, 0, 2);
                json.writeEndObject();
            }
            json.writeEndObject();
        } catch (IOException e) {
            throw new IllegalStateException("memory does not fail", e);
        }
        int length = Math.ceilDiv(out.size(), ALIGNMENT) * ALIGNMENT;
        ByteBuffer bytes = ByteBuffer.allocate(LENGTH_BYTES + length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(length).put(out.toByteArray());
        while (bytes.hasRemaining()) {
            bytes.put((byte) ' ');
        }
        return bytes.array();
    }

    /** Where a header's bytes come from. */
    interface Source {
        /** Fills the buffer. */
        void read(ByteBuffer into, long position) throws IOException;
    }
}
