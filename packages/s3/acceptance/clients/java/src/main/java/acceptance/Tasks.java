package acceptance;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import javax.crypto.SecretKey;
import javax.crypto.spec.SecretKeySpec;

/** Handles the objects that are named on the standard input: one line each, as main.ts writes it. */
abstract class Tasks {
    record Task(String key, String version, String keyring, String placement, String upload, int size) {
        boolean parts() {
            return upload.equals("parts");
        }

        /** The client divides the object by itself, and gives plaintext out before all of it has verified. */
        boolean whole() {
            return upload.equals("whole");
        }
    }

    final String bucket = System.getenv("BUCKET");
    final String keyArn = System.getenv("KEY_ARN");
    final SecretKey aesKey = new SecretKeySpec(bytes("AES_KEY"), "AES");
    final KeyPair rsaKeys = rsaKeys();

    abstract void write(Task task, byte[] plaintext) throws Exception;

    abstract byte[] read(Task task) throws Exception;

    void run() throws Exception {
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = input.readLine()) != null; ) {
            String[] words = line.split("\t");
            var task = new Task(
                words[1], words[2], words[3], words[4], words[5], Integer.parseInt(words[6]));
            try {
                byte[] expected = plaintext(task.size());
                if (words[0].equals("write")) write(task, expected);
                else if (!Arrays.equals(read(task), expected)) throw new Exception("another plaintext");
                System.out.println("ok\t" + task.key() + "\t");
            } catch (Exception | Error error) {
                String text = error.toString().replaceAll("\\s+", " ");
                System.out.println("failed\t" + task.key() + "\t" + text);
            }
        }
        System.exit(0);
    }

    static byte[] plaintext(int size) {
        var bytes = new byte[size];
        for (int i = 0; i < size; i++) bytes[i] = (byte) (i % 251);
        return bytes;
    }

    static byte[] bytes(String name) {
        return Base64.getDecoder().decode(System.getenv(name));
    }

    private static KeyPair rsaKeys() {
        try {
            var factory = KeyFactory.getInstance("RSA");
            return new KeyPair(
                factory.generatePublic(new X509EncodedKeySpec(bytes("RSA_PUBLIC_KEY"))),
                factory.generatePrivate(new PKCS8EncodedKeySpec(bytes("RSA_PRIVATE_KEY"))));
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }
}
