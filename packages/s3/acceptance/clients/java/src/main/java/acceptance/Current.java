package acceptance;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.SdkPartType;
import software.amazon.encryption.s3.CommitmentPolicy;
import software.amazon.encryption.s3.S3EncryptionClient;
import software.amazon.encryption.s3.algorithms.AlgorithmSuite;
import software.amazon.encryption.s3.internal.InstructionFileConfig;
import software.amazon.encryption.s3.materials.AesKeyring;
import software.amazon.encryption.s3.materials.Keyring;
import software.amazon.encryption.s3.materials.KmsKeyring;
import software.amazon.encryption.s3.materials.PartialRsaKeyPair;
import software.amazon.encryption.s3.materials.RsaKeyring;

/** Amazon S3 Encryption Client for Java, version 4: V2 and V3. */
final class Current extends Tasks {
    private static final int PART = 5 * 1024 * 1024;
    private static final URI STORE = URI.create(System.getenv("S3_URL"));
    private static final Region REGION = Region.of(System.getenv("AWS_REGION"));

    private final S3AsyncClient s3Async =
        S3AsyncClient.builder().endpointOverride(STORE).region(REGION).forcePathStyle(true).build();
    private final KmsClient kms =
        KmsClient.builder().endpointOverride(URI.create(System.getenv("KMS_URL"))).region(REGION).build();

    public static void main(String[] arguments) throws Exception {
        new Current().run();
    }

    private S3EncryptionClient clientFor(Task task) {
        // A new one each time: the client leaves the connection of every instruction file open, and there are 50.
        var s3 = S3Client.builder().endpointOverride(STORE).region(REGION).forcePathStyle(true).build();
        boolean committing = task.version().equals("V3");
        boolean file = task.placement().equals("instruction-file");
        return S3EncryptionClient.builderV4()
            .wrappedClient(s3)
            .wrappedAsyncClient(s3Async)
            .keyring(keyringOf(task))
            .enableMultipartPutObject(task.whole())
            .enableDelayedAuthenticationMode(task.whole())
            .encryptionAlgorithm(
                committing
                    ? AlgorithmSuite.ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY
                    : AlgorithmSuite.ALG_AES_256_GCM_IV12_TAG16_NO_KDF)
            .commitmentPolicy(
                committing
                    ? CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
                    : CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT)
            .instructionFileConfig(
                InstructionFileConfig.builder()
                    .instructionFileClient(s3)
                    .enableInstructionFilePutObject(file)
                    .build())
            .build();
    }

    private Keyring keyringOf(Task task) {
        return switch (task.keyring()) {
            case "kms" -> KmsKeyring.builder().kmsClient(kms).wrappingKeyId(keyArn).build();
            case "aes" -> AesKeyring.builder().wrappingKey(aesKey).build();
            default -> RsaKeyring.builder()
                .wrappingKeyPair(new PartialRsaKeyPair(rsaKeys.getPrivate(), rsaKeys.getPublic()))
                .build();
        };
    }

    private static Map<String, String> contextOf(Task task) {
        return task.keyring().equals("kms") ? Map.of("app", "orders") : Map.of();
    }

    @Override
    void write(Task task, byte[] plaintext) {
        var client = clientFor(task);
        var context = S3EncryptionClient.withAdditionalConfiguration(contextOf(task));
        if (!task.parts()) {
            client.putObject(
                request -> request.bucket(bucket).key(task.key()).overrideConfiguration(context),
                RequestBody.fromBytes(plaintext));
            return;
        }
        String id = client
            .createMultipartUpload(request -> request.bucket(bucket).key(task.key()).overrideConfiguration(context))
            .uploadId();
        List<CompletedPart> parts = new ArrayList<>();
        for (int from = 0; from < plaintext.length; from += PART) {
            int number = parts.size() + 1;
            int to = Math.min(plaintext.length, from + PART);
            boolean last = to == plaintext.length;
            var piece = java.util.Arrays.copyOfRange(plaintext, from, to);
            var answer = client.uploadPart(
                request -> request.bucket(bucket).key(task.key()).uploadId(id).partNumber(number)
                    .sdkPartType(last ? SdkPartType.LAST : SdkPartType.DEFAULT),
                RequestBody.fromBytes(piece));
            parts.add(CompletedPart.builder().partNumber(number).eTag(answer.eTag()).build());
        }
        client.completeMultipartUpload(
            request -> request.bucket(bucket).key(task.key()).uploadId(id).multipartUpload(all -> all.parts(parts)));
    }

    @Override
    byte[] read(Task task) {
        var context = S3EncryptionClient.withAdditionalConfiguration(contextOf(task));
        return clientFor(task)
            .getObjectAsBytes(request -> request.bucket(bucket).key(task.key()).overrideConfiguration(context))
            .asByteArray();
    }
}
