"""S3 Encryption Client for Python: an object sealed under a key of the KMS, kept in moto's S3.

Needs KEY_ARN.
"""

import os
import socket
import subprocess
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from s3_encryption import S3EncryptionClient, S3EncryptionClientConfig
from s3_encryption.exceptions import S3EncryptionClientError
from s3_encryption.materials.kms_keyring import KmsKeyring

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
storage = subprocess.Popen(
    [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
try:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.1)
    def storage_client():
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            config=Config(s3={"addressing_style": "path"}),
        )

    # The encryption client changes the client that it is given.
    s3 = storage_client()
    region = boto3.session.Session().region_name
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket="objects", **place)
    keyring = KmsKeyring(kms_client=boto3.client("kms"), kms_key_id=os.environ["KEY_ARN"])
    client = S3EncryptionClient(storage_client(), S3EncryptionClientConfig(keyring=keyring))

    plaintext = os.urandom(100_000)
    client.put_object(Bucket="objects", Key="a", Body=plaintext, EncryptionContext={"app": "orders"})
    kept = s3.get_object(Bucket="objects", Key="a")["Body"].read()
    assert plaintext[:64] not in kept
    opened = client.get_object(Bucket="objects", Key="a", EncryptionContext={"app": "orders"})
    assert opened["Body"].read() == plaintext
    try:
        client.get_object(Bucket="objects", Key="a", EncryptionContext={"app": "billing"})
    except (ClientError, S3EncryptionClientError) as error:
        print("another context:", type(error).__name__)
    else:
        raise SystemExit("an object was opened with another context")
finally:
    storage.terminate()
    storage.wait()
