package dev.dormouse.sidecar.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class HeaderTest {
    private static final String GOOD = """
                                       {"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},\
                                       "a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"none":{"dtype":"U8","shape":[0,7],"data_offsets":[4,4]}}  """;

    @Test
    void tensorsComeInTheOrderOfTheirData() throws Exception {
        Header header = read(SafetensorsFile.bytes(GOOD, new byte[16]));

        assertThat(header.tensors()).containsExactly(new Tensor("a", Dtype.F32, List.of(), 0, 4),
                new Tensor("none", Dtype.U8, List.of(0L, 7L), 4, 0),
                new Tensor("b", Dtype.BF16, List.of(2L, 3L), 4, 12));
        assertThat(header.bytes()).hasSize(8 + GOOD.length());
    }

    static Stream<Arguments> hostile() {
        String a = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}";
        return Stream.of(
                arguments("three bytes", null, new byte[]{1, 2, 3}, "the length of its header"),
                arguments("length of 2^63", null, SafetensorsFile.bytes(Long.MIN_VALUE, "{}".getBytes(
                        StandardCharsets.UTF_8), new byte[0]), "a header of 9223372036854775808 bytes does not fit"),
                arguments("length beyond the file", null, SafetensorsFile.bytes(3, new byte[]{'{', '}'}, new byte[0]),
                        "a header of 3 bytes does not fit"),
                arguments("length beyond the limit", null, SafetensorsFile.bytes(100_000_001, new byte[]{'{', '}'},
                        new byte[0]), "100000000 is the most"),
                text("an array", "[]", 0, "does not begin with '{'"),
                text("white space in front", " {}", 0, "does not begin with '{'"),
                text("half a document", "{\"a\":", 0, "cannot be used"),
                text("something behind", "{} {}", 0, "something follows"),
                text("a name twice", a + ",\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,4]}}", 4,
                        "Duplicate field"),
                text("a deep nesting", "{\"a\":[[[[[[[[[[1]]]]]]]]]]}", 0, "'a' is not an object"),
                text("metadata that is no map", "{\"__metadata__\":[]}", 0, "__metadata__ is not an object"),
                text("metadata with numbers", "{\"__metadata__\":{\"a\":1}}", 0, "__metadata__.a is not a string"),
                text("an unknown field", "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":1}}", 0,
                        "unknown field 'x'"),
                text("an unknown type", "{\"a\":{\"dtype\":\"Q4\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
                        "unknown dtype Q4"),
                text("no shape", "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}", 0, "needs dtype, shape"),
                text("one offset", "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0]}}", 0,
                        "two data_offsets"),
                text("three offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0,0]}}", 0,
                        "more than 2 entries"),
                text("a negative offset", "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[-4,0]}}", 0,
                        "negative entry"),
                text("an offset beyond 64 bits",
                        "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,9223372036854775808]}}", 0,
                        "cannot be used"),
                text("an end before its begin", "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,0]}}", 4,
                        "take 0 bytes, its data_offsets span -4"),
                text("a fraction", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1.5],\"data_offsets\":[0,1]}}", 1,
                        "is not whole numbers"),
                text("a shape that overflows",
                        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
                        "more elements than can be counted"),
                text("bits that overflow",
                        "{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}",
                        0, "more elements than can be counted"),
                text("three dimensions too many", "{\"a\":{\"dtype\":\"U8\",\"shape\":[" + "1,".repeat(32)
                        + "1],\"data_offsets\":[0,1]}}", 1, "more than 32 entries"),
                text("half a byte", "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2,
                        "no whole bytes"),
                text("a size that is another", "{\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
                        "take 8 bytes"),
                text("a hole", a + ",\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[5,6]}}", 6, "begins at 5"),
                text("an overlap", a + ",\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[3,4]}}", 4,
                        "begins at 3"),
                text("a tensor beyond the end", a + "}", 3, "take 4 bytes, 3 follow"),
                text("bytes that nobody owns", a + "}", 5, "take 4 bytes, 5 follow"));
    }

    private static Arguments text(String name, String header, int data, String message) {
        return arguments(name, header, SafetensorsFile.bytes(header, new byte[data]), message);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource
    void hostile(String name, String header, byte[] file, String message) {
        assertThatExceptionOfType(InvalidSafetensorsException.class).isThrownBy(() -> read(file))
                .withMessageStartingWith("model.safetensors: ")
                .withMessageContaining(message);
    }

    /** Whatever stands in the first bytes: it is read or refused, and takes no more memory than the file has. */
    @Test
    void flippedBitsAreReadOrRefused() throws Exception {
        byte[] good = SafetensorsFile.bytes(GOOD, new byte[16]);
        var random = new Random(7);
        int read = 0;
        for (int round = 0; round < 20_000; round++) {
            byte[] damaged = good.clone();
            for (int flips = random.nextInt(1, 4); flips > 0; flips--) {
                damaged[random.nextInt(good.length - 16)] ^= (byte) (1 << random.nextInt(8));
            }
            try {
                assertThat(read(damaged).dataBytes()).isEqualTo(damaged.length - read(damaged).bytes().length);
                read++;
            } catch (InvalidSafetensorsException refused) {
                assertThat(refused).hasMessageStartingWith("model.safetensors: ");
            }
        }
        // A flip in a name makes another good file.
        assertThat(read).isPositive();
    }

    @Test
    void aHeaderOfOursIsAlignedAndReadBack() throws Exception {
        Header written = Header.of(List.of(new Tensor("narrow", Dtype.U8, List.of(3L), 0, 3),
                new Tensor("ünicode \"quoted\"", Dtype.F32, List.of(2L, 2L), 0, 16)), Map.of("format", "pt"));

        Header read = read(concat(written.bytes(), new byte[19]));

        assertThat(written.bytes().length % 8).isZero();
        assertThat(read.tensors()).isEqualTo(written.tensors())
                .extracting(Tensor::name)
                .containsExactly("ünicode \"quoted\"", "narrow");
    }

    private static byte[] concat(byte[] header, byte[] data) {
        return ByteBuffer.allocate(header.length + data.length).put(header).put(data).array();
    }

    private static Header read(byte[] file) throws IOException {
        return Header.read((into, position) -> into.put(file, (int) position, into.remaining()), file.length,
                "model.safetensors");
    }
}
