package acceptance;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import software.amazon.awssdk.awscore.AwsRequestOverrideConfiguration;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.encryption.s3.S3EncryptionClient;
import software.amazon.encryption.s3.S3EncryptionClientException;
import software.amazon.encryption.s3.materials.KmsKeyring;

/** The S3 Encryption Client for Java: an object under a key of the KMS, kept in moto's S3. Needs KEY_ARN. */
public final class Storage {
  private static final Map<String, String> CONTEXT = Map.of("app", "orders");
  private static final InetAddress LOCAL = InetAddress.getLoopbackAddress();

  public static void main(String[] arguments) throws Exception {
    int port;
    try (ServerSocket probe = new ServerSocket(0, 1, LOCAL)) {
      port = probe.getLocalPort();
    }
    Process moto = new ProcessBuilder(
            "python3", "-m", "moto.server", "-H", "127.0.0.1", "-p", String.valueOf(port))
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start();
    try {
      await(port, moto);
      session(URI.create("http://127.0.0.1:" + port));
    } finally {
      moto.destroy();
    }
    // Threads of the asynchronous client would keep the program alive.
    System.exit(0);
  }

  private static void session(URI storage) {
    Region region = Region.of(System.getenv("AWS_REGION"));
    S3Client s3 = S3Client.builder().region(region).endpointOverride(storage).forcePathStyle(true).build();
    S3AsyncClient concurrent =
        S3AsyncClient.builder().region(region).endpointOverride(storage).forcePathStyle(true).build();
    s3.createBucket(each -> each
        .bucket("objects")
        .createBucketConfiguration(place -> place.locationConstraint(region.id())));
    URI kms = URI.create(System.getenv("AWS_ENDPOINT_URL"));
    KmsKeyring keyring = KmsKeyring.builder()
        .kmsClient(KmsClient.builder().region(region).endpointOverride(kms).build())
        .wrappingKeyId(System.getenv("KEY_ARN"))
        .build();
    S3EncryptionClient client = S3EncryptionClient.builderV4()
        .wrappedClient(s3)
        .wrappedAsyncClient(concurrent)
        .keyring(keyring)
        .build();

    byte[] plaintext = new byte[100_000];
    new Random(1).nextBytes(plaintext);
    client.putObject(
        each -> each.bucket("objects").key("a").overrideConfiguration(with(CONTEXT)),
        RequestBody.fromBytes(plaintext));
    byte[] kept = s3.getObjectAsBytes(each -> each.bucket("objects").key("a")).asByteArray();
    expect(!Arrays.equals(Arrays.copyOf(kept, 64), Arrays.copyOf(plaintext, 64)), "not encrypted");
    byte[] opened = client
        .getObjectAsBytes(each -> each.bucket("objects").key("a").overrideConfiguration(with(CONTEXT)))
        .asByteArray();
    expect(Arrays.equals(opened, plaintext), "another plaintext came back");
    try {
      client.getObjectAsBytes(each -> each
          .bucket("objects")
          .key("a")
          .overrideConfiguration(with(Map.of("app", "billing"))));
    } catch (S3EncryptionClientException refused) {
      return;
    }
    throw new IllegalStateException("an object was opened with another context");
  }

  private static Consumer<AwsRequestOverrideConfiguration.Builder> with(Map<String, String> context) {
    return S3EncryptionClient.withAdditionalConfiguration(context);
  }

  private static void await(int port, Process moto) throws Exception {
    while (moto.isAlive()) {
      try {
        new Socket(LOCAL, port).close();
        return;
      } catch (java.net.ConnectException early) {
        Thread.sleep(100);
      }
    }
    throw new IllegalStateException("moto did not start");
  }

  private static void expect(boolean holds, String otherwise) {
    if (!holds) throw new IllegalStateException(otherwise);
  }
}
