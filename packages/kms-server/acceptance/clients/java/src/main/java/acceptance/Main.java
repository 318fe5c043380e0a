package acceptance;

import com.amazonaws.encryptionsdk.AwsCrypto;
import com.amazonaws.encryptionsdk.CommitmentPolicy;
import com.amazonaws.encryptionsdk.CryptoResult;
import com.amazonaws.encryptionsdk.kmssdkv2.KmsMasterKey;
import com.amazonaws.encryptionsdk.kmssdkv2.KmsMasterKeyProvider;
import java.net.URI;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.kms.model.DataKeySpec;
import software.amazon.awssdk.services.kms.model.InvalidCiphertextException;

/** The AWS SDK for Java v2, and the AWS Encryption SDK for Java over it. Needs KEY_ARN. */
public final class Main {
  private static final String KEY = System.getenv("KEY_ARN");
  private static final Map<String, String> CONTEXT = Map.of("app", "orders", "stage", "test");

  public static void main(String[] arguments) {
    try (KmsClient kms = client(Region.of(System.getenv("AWS_REGION")))) {
      sdk(kms);
    }
    System.out.println("AWS SDK for Java v2");
    encryptionSdk();
    System.out.println("AWS Encryption SDK for Java");
  }

  private static KmsClient client(Region region) {
    URI endpoint = URI.create(System.getenv("AWS_ENDPOINT_URL"));
    return KmsClient.builder().region(region).endpointOverride(endpoint).build();
  }

  private static void sdk(KmsClient kms) {
    var made = kms.generateDataKey(
        each -> each.keyId(KEY).keySpec(DataKeySpec.AES_256).encryptionContext(CONTEXT));
    SdkBytes blob = made.ciphertextBlob();
    var opened = kms.decrypt(each -> each.ciphertextBlob(blob).encryptionContext(CONTEXT));
    expect(opened.plaintext().equals(made.plaintext()), "another data key came back");
    try {
      kms.decrypt(each -> each.ciphertextBlob(blob));
      expect(false, "a data key was opened without its context");
    } catch (InvalidCiphertextException refused) {
      expect(refused.statusCode() == 400, "status");
    }
  }

  private static void encryptionSdk() {
    AwsCrypto crypto = AwsCrypto.builder()
        .withCommitmentPolicy(CommitmentPolicy.RequireEncryptRequireDecrypt)
        .build();
    KmsMasterKeyProvider provider = KmsMasterKeyProvider.builder()
        .customRegionalClientSupplier(Main::client)
        .buildStrict(KEY);
    byte[] plaintext = new byte[100_000];
    new Random(1).nextBytes(plaintext);
    CryptoResult<byte[], KmsMasterKey> sealed = crypto.encryptData(provider, plaintext, CONTEXT);
    byte[] opened = crypto.decryptData(provider, sealed.getResult()).getResult();
    expect(Arrays.equals(opened, plaintext), "another plaintext came back");
  }

  private static void expect(boolean holds, String otherwise) {
    if (!holds) throw new IllegalStateException(otherwise);
  }
}
