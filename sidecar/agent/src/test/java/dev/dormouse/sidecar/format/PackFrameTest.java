package dev.dormouse.sidecar.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.dormouse.sidecar.format.Manifest.PackEntry;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class PackFrameTest {
    private static final PackEntry PACK = new PackEntry(Manifests.PACK, 20480, 3);

    @Test
    void framesAreAccepted() throws Exception {
        PackFrame.checkHeader("p", PackFrame.header(PACK.id()), PACK);
        PackFrame.checkFooter("p", PackFrame.footer(PACK), PACK);
    }

    @Test
    void everyFlippedBitIsNoticed() {
        for (int bit = 0; bit < 4096 * 8; bit++) {
            ByteBuffer header = PackFrame.header(PACK.id());
            header.array()[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(refusal(header).fault()).isEqualTo(Fault.InvalidPack);
        }
    }

    @Test
    @DisplayName("The footer of a rewritten pack says how much it kept; only a possible number is believed")
    void rewritten() throws Exception {
        long all = PACK.bytes() - 2 * 4096;
        PackFrame.checkFooter("p", PackFrame.footer(PACK, 4096), PACK);

        assertThat(PackFrame.keptBytes(PackFrame.footer(PACK, 4096))).isEqualTo(4096);
        assertThat(PackFrame.keptBytes(PackFrame.footer(PACK))).isEqualTo(all);
        for (long impossible : new long[]{-4096, 1, all + 4096, Long.MIN_VALUE}) {
            assertThat(catchThrowableOfType(InvalidSnapshotException.class,
                    () -> PackFrame.checkFooter("p", PackFrame.footer(PACK, impossible), PACK))).isNotNull();
        }
    }

    @Test
    void anotherPackIsNotMistakenForThisOne() {
        assertThat(refusal(PackFrame.header(Manifests.ID + "-0001"))).hasMessageContaining("another pack");
        assertThat(refusal(PackFrame.footer(PACK))).hasMessageContaining("no pack");
        assertThat(catchThrowableOfType(InvalidSnapshotException.class, () -> PackFrame.checkFooter("p",
                PackFrame.footer(new PackEntry(PACK.id(), 20480, 4)), PACK))).hasMessageContaining("another pack");
    }

    @Test
    @DisplayName("S60: another version is refused as such")
    void unknownVersion() {
        ByteBuffer header = PackFrame.header(PACK.id()).order(ByteOrder.LITTLE_ENDIAN).putInt(32, 3);
        var crc = new CRC32C();
        crc.update(header.slice(0, 4092));
        header.putInt(4092, (int) crc.getValue());

        assertThat(refusal(header).fault()).isEqualTo(Fault.UnknownVersion);
    }

    private static InvalidSnapshotException refusal(ByteBuffer header) {
        var refusal = catchThrowableOfType(InvalidSnapshotException.class,
                () -> PackFrame.checkHeader("packs/p.pack", header, PACK));
        assertThat(refusal).isNotNull();
        return refusal;
    }
}
