package acceptance;

import com.amazonaws.auth.DefaultAWSCredentialsProviderChain;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.kms.AWSKMS;
import com.amazonaws.services.kms.AWSKMSClientBuilder;
import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3EncryptionClientBuilder;
import com.amazonaws.services.s3.AmazonS3EncryptionClientV2Builder;
import com.amazonaws.services.s3.model.CompleteMultipartUploadRequest;
import com.amazonaws.services.s3.model.CryptoConfiguration;
import com.amazonaws.services.s3.model.CryptoConfigurationV2;
import com.amazonaws.services.s3.model.CryptoMode;
import com.amazonaws.services.s3.model.CryptoStorageMode;
import com.amazonaws.services.s3.model.EncryptionMaterials;
import com.amazonaws.services.s3.model.InitiateMultipartUploadRequest;
import com.amazonaws.services.s3.model.KMSEncryptionMaterials;
import com.amazonaws.services.s3.model.ObjectMetadata;
import com.amazonaws.services.s3.model.PartETag;
import com.amazonaws.services.s3.model.StaticEncryptionMaterialsProvider;
import com.amazonaws.services.s3.model.UploadPartRequest;
import java.io.ByteArrayInputStream;
import java.util.ArrayList;
import java.util.List;

/**
 * The encryption clients of AWS SDK for Java 1. `V1` is AES-CBC without a tag, `V1-GCM` its authenticated mode with the
 * wraps of old clients, `V2` its second client.
 */
final class Former extends Tasks {
    private static final int PART = 5 * 1024 * 1024;

    private final EndpointConfiguration store = endpoint("S3_URL");
    private final AWSKMS kms =
        AWSKMSClientBuilder.standard().withEndpointConfiguration(endpoint("KMS_URL")).build();

    public static void main(String[] arguments) throws Exception {
        new Former().run();
    }

    private static EndpointConfiguration endpoint(String name) {
        return new EndpointConfiguration(System.getenv(name), System.getenv("AWS_REGION"));
    }

    @SuppressWarnings("deprecation")
    private AmazonS3 clientFor(Task task) {
        var materials = new StaticEncryptionMaterialsProvider(materialsOf(task));
        var storage = task.placement().equals("instruction-file")
            ? CryptoStorageMode.InstructionFile
            : CryptoStorageMode.ObjectMetadata;
        if (task.version().equals("V2")) {
            return AmazonS3EncryptionClientV2Builder.standard()
                .withEndpointConfiguration(store)
                .withPathStyleAccessEnabled(true)
                .withCredentials(DefaultAWSCredentialsProviderChain.getInstance())
                .withKmsClient(kms)
                .withEncryptionMaterialsProvider(materials)
                .withCryptoConfiguration(
                    new CryptoConfigurationV2(CryptoMode.StrictAuthenticatedEncryption).withStorageMode(storage))
                .build();
        }
        var mode = task.version().equals("V1") ? CryptoMode.EncryptionOnly : CryptoMode.AuthenticatedEncryption;
        return AmazonS3EncryptionClientBuilder.standard()
            .withEndpointConfiguration(store)
            .withPathStyleAccessEnabled(true)
            .withCredentials(DefaultAWSCredentialsProviderChain.getInstance())
            .withKmsClient(kms)
            .withEncryptionMaterials(materials)
            .withCryptoConfiguration(new CryptoConfiguration(mode).withStorageMode(storage))
            .build();
    }

    private EncryptionMaterials materialsOf(Task task) {
        return switch (task.keyring()) {
            case "kms" -> new KMSEncryptionMaterials(keyArn).addDescription("app", "orders");
            case "aes" -> new EncryptionMaterials(aesKey);
            default -> new EncryptionMaterials(rsaKeys);
        };
    }

    @Override
    void write(Task task, byte[] plaintext) {
        var client = clientFor(task);
        if (!task.parts()) {
            var metadata = new ObjectMetadata();
            metadata.setContentLength(plaintext.length);
            client.putObject(bucket, task.key(), new ByteArrayInputStream(plaintext), metadata);
            return;
        }
        String id = client.initiateMultipartUpload(new InitiateMultipartUploadRequest(bucket, task.key())).getUploadId();
        List<PartETag> parts = new ArrayList<>();
        for (int from = 0; from < plaintext.length; from += PART) {
            int size = Math.min(PART, plaintext.length - from);
            var request = new UploadPartRequest()
                .withBucketName(bucket)
                .withKey(task.key())
                .withUploadId(id)
                .withPartNumber(parts.size() + 1)
                .withInputStream(new ByteArrayInputStream(plaintext, from, size))
                .withPartSize(size)
                .withLastPart(from + size == plaintext.length);
            parts.add(client.uploadPart(request).getPartETag());
        }
        client.completeMultipartUpload(new CompleteMultipartUploadRequest(bucket, task.key(), id, parts));
    }

    @Override
    byte[] read(Task task) throws Exception {
        try (var object = clientFor(task).getObject(bucket, task.key())) {
            return object.getObjectContent().readAllBytes();
        }
    }
}
