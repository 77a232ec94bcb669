package dev.dormouse.sidecar.trust;

import dev.dormouse.sidecar.format.Fault;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.crypto.SecretKey;

/** Reads keys as Kubernetes mounts them. A bad file is an error that names it; nothing is skipped but hidden names. */
final class KeyFiles {
    private static final Pattern ID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,62}");
    private static final Pattern PEM = Pattern
            .compile("-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\\s]+)-----END \\1-----");
    private static final int MAX_BYTES = 64 << 10;
    private static final int BASE64_KEY = 44;

    private KeyFiles() {}

    static TreeMap<String, PublicKey> publicKeys(Path folder) throws TrustException {
        var keys = new TreeMap<String, PublicKey>();
        for (Path file : files(folder)) {
            keys.put(id(file), publicKey(file));
        }
        return keys;
    }

    static TreeMap<String, SecretKey> wrappingKeys(Path folder) throws TrustException {
        var keys = new TreeMap<String, SecretKey>();
        for (Path file : files(folder)) {
            byte[] bytes = read(file);
            String text = new String(bytes, StandardCharsets.ISO_8859_1).strip();
            boolean encoded = bytes.length != 32 && text.length() == BASE64_KEY;
            keys.put(id(file), VolumeKey.wrappingKey(id(file), encoded ? decode(file, text) : bytes));
        }
        return keys;
    }

    static PrivateKey privateKey(Path file) throws TrustException {
        byte[] encoded = pem(file, "PRIVATE KEY");
        try {
            return KeyFactory.getInstance("Ed25519").generatePrivate(new PKCS8EncodedKeySpec(encoded));
        } catch (GeneralSecurityException e) {
            throw wrong(file, "is no Ed25519 private key: make one with 'openssl genpkey -algorithm ed25519'");
        }
    }

    private static PublicKey publicKey(Path file) throws TrustException {
        byte[] encoded = pem(file, "PUBLIC KEY");
        try {
            return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded));
        } catch (GeneralSecurityException e) {
            throw wrong(file, "is no Ed25519 public key: make one with 'openssl pkey -in private.pem -pubout'");
        }
    }

    private static byte[] pem(Path file, String kind) throws TrustException {
        Matcher pem = PEM.matcher(new String(read(file), StandardCharsets.ISO_8859_1));
        if (!pem.find() || !pem.group(1).equals(kind)) {
            throw wrong(file, "is no PEM file with a " + kind);
        }
        return decode(file, pem.group(2).replaceAll("\\s", ""));
    }

    private static byte[] decode(Path file, String base64) throws TrustException {
        try {
            return Base64.getDecoder().decode(base64);
        } catch (IllegalArgumentException e) {
            throw wrong(file, "is no base64");
        }
    }

    /** A mounted Secret has hidden folders and links of its own beside the entries. */
    private static List<Path> files(Path folder) throws TrustException {
        try (Stream<Path> entries = Files.list(folder)) {
            List<Path> files = entries.filter(entry -> !name(entry).startsWith(".")).sorted().toList();
            if (files.isEmpty()) {
                throw wrong(folder, "holds no keys");
            }
            return files;
        } catch (IOException e) {
            throw wrong(folder, "cannot be read: is the Secret mounted?");
        }
    }

    private static byte[] read(Path file) throws TrustException {
        try {
            if (Files.size(file) > MAX_BYTES) {
                throw wrong(file, "is too long for a key");
            }
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw wrong(file, "cannot be read: is the Secret mounted?");
        }
    }

    static String id(Path file) throws TrustException {
        String id = name(file).replaceFirst("\\.[a-z]{1,4}$", "");
        if (!ID.matcher(id).matches()) {
            throw wrong(file, "has a name that is no key id: letters, digits, dashes and underscores, then an ending");
        }
        return id;
    }

    private static String name(Path file) {
        return String.valueOf(file.getFileName());
    }

    /** Without the cause, which might quote what is in the file. */
    private static TrustException wrong(Path file, String what) {
        return new TrustException(Fault.WrongKey, file + " " + what);
    }
}
