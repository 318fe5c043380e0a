"""Amazon S3 Encryption Client for Python: reads and writes the objects that are named on its standard input.

One line per object, as main.ts writes it.
"""

import io
import os
import sys

import boto3
from botocore.config import Config
from s3_encryption import S3EncryptionClient, S3EncryptionClientConfig
from s3_encryption.materials.kms_keyring import KmsKeyring
from s3_encryption.materials.materials import AlgorithmSuite, CommitmentPolicy

bucket = os.environ["BUCKET"]
kms = boto3.client("kms", endpoint_url=os.environ["KMS_URL"])

suites = {
    "V2": AlgorithmSuite.ALG_AES_256_GCM_IV12_TAG16_NO_KDF,
    "V3": AlgorithmSuite.ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY,
}
policies = {
    "V2": CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT,
    "V3": CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
}


def client_for(version):
    # The encryption client changes the client that it is given.
    s3 = boto3.client(
        "s3",
        endpoint_url=os.environ["S3_URL"],
        config=Config(s3={"addressing_style": "path"}),
    )
    keyring = KmsKeyring(kms_client=kms, kms_key_id=os.environ["KEY_ARN"])
    config = S3EncryptionClientConfig(
        keyring=keyring,
        encryption_algorithm=suites[version],
        commitment_policy=policies[version],
    )
    return S3EncryptionClient(s3, config)


def plaintext(size):
    period = bytes(range(251))
    return (period * (size // 251 + 1))[:size]


def handle(task, key, version, upload, size):
    client = client_for(version)
    context = {"EncryptionContext": {"app": "orders"}}
    if task == "read":
        body = client.get_object(Bucket=bucket, Key=key, **context)["Body"].read()
        if body != plaintext(size):
            raise ValueError("another plaintext")
    elif upload == "parts":
        client.upload_fileobj(io.BytesIO(plaintext(size)), bucket, key, **context)
    else:
        client.put_object(Bucket=bucket, Key=key, Body=plaintext(size), **context)


for line in sys.stdin:
    task, key, version, _keyring, _placement, upload, size = line.rstrip("\n").split("\t")
    try:
        handle(task, key, version, upload, int(size))
        print("ok", key, "", sep="\t", flush=True)
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        print("failed", key, text, sep="\t", flush=True)
