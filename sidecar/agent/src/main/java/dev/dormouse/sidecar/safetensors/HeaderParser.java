package dev.dormouse.sidecar.safetensors;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.dormouse.sidecar.format.SnapshotFormat;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Reads the JSON of one header, entry by entry. */
final class HeaderParser {
    static final String METADATA = "__metadata__";

    private final JsonParser json;
    private final String file;

    HeaderParser(JsonParser json, String file) {
        this.json = json;
        this.file = file;
    }

    /** In the order of the JSON. */
    List<Tensor> tensors() throws IOException {
        var tensors = new ArrayList<Tensor>();
        expect(json.nextToken(), JsonToken.START_OBJECT, "the header", "an object");
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String name = json.currentName();
            json.nextToken();
            if (name.equals(METADATA)) {
                skipMetadata();
                continue;
            }
            if (tensors.size() == SnapshotFormat.MAX_BUFFERS) {
                throw wrong("has more than " + SnapshotFormat.MAX_BUFFERS + " tensors");
            }
            tensors.add(tensor(name));
        }
        if (json.nextToken() != null) {
            throw wrong("something follows the header's JSON");
        }
        return tensors;
    }

    private void skipMetadata() throws IOException {
        expect(json.currentToken(), JsonToken.START_OBJECT, METADATA, "an object of strings");
        while (json.nextToken() != JsonToken.END_OBJECT) {
            expect(json.nextToken(), JsonToken.VALUE_STRING, METADATA + "." + json.currentName(), "a string");
        }
    }

    private Tensor tensor(String name) throws IOException {
        expect(json.currentToken(), JsonToken.START_OBJECT, quoted(name), "an object");
        Dtype dtype = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            switch (field) {
                case "dtype" -> dtype = dtype(name);
                case "shape" -> shape = longs(name, field, SnapshotFormat.MAX_DIMENSIONS);
                case "data_offsets" -> offsets = longs(name, field, 2);
                default -> throw wrong("tensor " + quoted(name) + " has an unknown field '" + field + "'");
            }
        }
        if (dtype == null || shape == null || offsets == null || offsets.size() != 2) {
            throw wrong("tensor " + quoted(name) + " needs dtype, shape and two data_offsets");
        }
        return checked(new Tensor(name, dtype, shape, offsets.getFirst(), offsets.getLast() - offsets.getFirst()));
    }

    private Dtype dtype(String tensor) throws IOException {
        expect(json.currentToken(), JsonToken.VALUE_STRING, quoted(tensor) + ".dtype", "a string");
        String name = json.getText();
        return Dtype.of(name).orElseThrow(() -> wrong("tensor " + quoted(tensor) + " has the unknown dtype " + name));
    }

    /** Not negative, at most {@code most} of them. */
    private List<Long> longs(String tensor, String field, int most) throws IOException {
        String place = quoted(tensor) + "." + field;
        expect(json.currentToken(), JsonToken.START_ARRAY, place, "a list");
        var values = new ArrayList<Long>();
        while (json.nextToken() != JsonToken.END_ARRAY) {
            expect(json.currentToken(), JsonToken.VALUE_NUMBER_INT, place, "whole numbers");
            if (values.size() == most) {
                throw wrong(place + " has more than " + most + " entries");
            }
            long value = json.getLongValue();
            if (value < 0) {
                throw wrong(place + " has a negative entry");
            }
            values.add(value);
        }
        return values;
    }

    private Tensor checked(Tensor tensor) throws InvalidSafetensorsException {
        long needed;
        try {
            needed = tensor.dtype().bytes(tensor.shape());
        } catch (ArithmeticException e) {
            throw new InvalidSafetensorsException(
                    file + ": tensor " + quoted(tensor.name()) + " has more elements than can be counted", e);
        }
        if (needed != tensor.length()) {
            throw wrong("tensor %s: %s of %s take %s bytes, its data_offsets span %d".formatted(quoted(tensor.name()),
                    tensor.shape(), tensor.dtype(), needed < 0 ? "no whole" : Long.toString(needed),
                    tensor.length()));
        }
        return tensor;
    }

    private void expect(@Nullable JsonToken found, JsonToken wanted, String place, String what) throws IOException {
        if (found != wanted) {
            throw wrong(place + " is not " + what);
        }
    }

    private InvalidSafetensorsException wrong(String message) {
        return new InvalidSafetensorsException(file + ": " + message);
    }

    private static String quoted(String name) {
        return "'" + name + "'";
    }
}
