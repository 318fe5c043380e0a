"""boto3: the data plane, keys, aliases, grants, policies, tags, rotation, signatures, MACs, shared secrets, and errors by class.

Needs nothing but the endpoint and credentials; it makes its own keys and schedules their deletion.
"""

import json
import boto3
from botocore.exceptions import ClientError

kms = boto3.client("kms")
sts = boto3.client("sts")
account = sts.get_caller_identity()["Account"]
keys = []


def create(**options):
    metadata = kms.create_key(**options)["KeyMetadata"]
    keys.append(metadata["KeyId"])
    return metadata


def refused(code, operation, **request):
    """Calls an operation that must fail with an error of this code, and of the class that the SDK makes of it."""
    try:
        operation(**request)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error
        return error
    raise SystemExit(f"{operation.__name__} was not refused with {code}")


# Data keys and their context.
tags = [{"TagKey": "team", "TagValue": "orders"}, {"TagKey": "a", "TagValue": ""}]
key = create(Description="boto3 session", Tags=tags)
arn, context = key["Arn"], {"app": "orders", "tenant": "Zürich"}
data_key = kms.generate_data_key(KeyId=arn, KeySpec="AES_256", EncryptionContext=context)
assert len(data_key["Plaintext"]) == 32 and data_key["KeyId"] == arn
opened = kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"], EncryptionContext=context)
assert opened["Plaintext"] == data_key["Plaintext"] and opened["KeyId"] == arn
refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=data_key["CiphertextBlob"])
alone = kms.generate_data_key_without_plaintext(KeyId=arn, NumberOfBytes=64)
assert len(kms.decrypt(CiphertextBlob=alone["CiphertextBlob"])["Plaintext"]) == 64
assert len(kms.generate_random(NumberOfBytes=1024)["Plaintext"]) == 1024
pair = kms.generate_data_key_pair(KeyId=arn, KeyPairSpec="ECC_NIST_P256")
assert kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"] == pair["PrivateKeyPlaintext"]

# Aliases, and re-encryption under another key.
second = create()
kms.create_alias(AliasName="alias/boto3", TargetKeyId=second["KeyId"])
moved = kms.re_encrypt(
    CiphertextBlob=data_key["CiphertextBlob"],
    SourceEncryptionContext=context,
    DestinationKeyId="alias/boto3",
)
assert moved["KeyId"] == second["Arn"] and moved["SourceKeyId"] == arn
assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])["Plaintext"] == data_key["Plaintext"]
refused("AlreadyExistsException", kms.create_alias, AliasName="alias/boto3", TargetKeyId=arn)
kms.update_alias(AliasName="alias/boto3", TargetKeyId=key["KeyId"])
names = [each["AliasName"] for page in kms.get_paginator("list_aliases").paginate(Limit=1) for each in page["Aliases"]]
assert "alias/boto3" in names
kms.delete_alias(AliasName="alias/boto3")
refused("NotFoundException", kms.describe_key, KeyId="alias/boto3")

# Policy and tags come back byte for byte.
assert kms.list_resource_tags(KeyId=arn)["Tags"] == tags
policy = json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
text = json.dumps(policy, indent=3) + "\n"
kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=text)
assert kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"] == text
kms.tag_resource(KeyId=arn, Tags=[{"TagKey": "team", "TagValue": "billing"}])
kms.untag_resource(KeyId=arn, TagKeys=["a"])
assert kms.list_resource_tags(KeyId=arn)["Tags"] == [{"TagKey": "team", "TagValue": "billing"}]

# Grants.
grant = kms.create_grant(
    KeyId=arn,
    GranteePrincipal=f"arn:aws:iam::{account}:root",
    Operations=["Decrypt", "GenerateDataKey"],
    Constraints={"EncryptionContextSubset": {"app": "orders"}},
)
assert kms.list_grants(KeyId=arn)["Grants"][0]["GrantId"] == grant["GrantId"]
kms.revoke_grant(KeyId=arn, GrantId=grant["GrantId"])
assert kms.list_grants(KeyId=arn)["Grants"] == []

# Rotation.
kms.enable_key_rotation(KeyId=arn, RotationPeriodInDays=180)
assert kms.get_key_rotation_status(KeyId=arn)["RotationPeriodInDays"] == 180
kms.rotate_key_on_demand(KeyId=arn)
assert kms.decrypt(CiphertextBlob=alone["CiphertextBlob"])["KeyId"] == arn
assert len(kms.list_key_rotations(KeyId=arn)["Rotations"]) == 1

# Signatures and MACs.
signer = create(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
request = {"KeyId": signer["Arn"], "Message": b"release 1.0", "SigningAlgorithm": "ECDSA_SHA_256"}
signature = kms.sign(**request)["Signature"]
assert kms.verify(Signature=signature, **request)["SignatureValid"] is True
refused("KMSInvalidSignatureException", kms.verify, Signature=signature, **{**request, "Message": b"release 1.1"})
mac_key = create(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
request = {"KeyId": mac_key["Arn"], "Message": b"hello", "MacAlgorithm": "HMAC_SHA_256"}
mac = kms.generate_mac(**request)["Mac"]
assert kms.verify_mac(Mac=mac, **request)["MacValid"] is True

# Post-quantum keys.
signer = create(KeySpec="ML_DSA_65", KeyUsage="SIGN_VERIFY")
request = {"KeyId": signer["Arn"], "Message": b"release 1.0", "SigningAlgorithm": "ML_DSA_SHAKE_256"}
signature = kms.sign(**request)["Signature"]
assert kms.verify(Signature=signature, **request)["SignatureValid"] is True
# Older versions of boto3 do not know ML-KEM.
if "Encapsulate" in kms.meta.service_model.operation_names:
    receiver = create(KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE")
    assert receiver["EncapsulationAlgorithms"] == ["ML_KEM"]
    request = {"KeyId": receiver["Arn"], "EncapsulationAlgorithm": "ML_KEM"}
    sent = kms.encapsulate(**request)
    ciphertext = sent["SharedSecretCiphertextBlob"]
    assert kms.decapsulate(SharedSecretCiphertextBlob=ciphertext, **request)["SharedSecret"] == sent["SharedSecret"]
    refused("InvalidCiphertextException", kms.decapsulate, SharedSecretCiphertextBlob=ciphertext[1:], **request)

# What is refused, and in which words.
kms.disable_key(KeyId=arn)
disabled = refused("DisabledException", kms.generate_data_key, KeyId=arn, KeySpec="AES_256")
assert disabled.response["Error"]["Message"] == f"{arn} is disabled."
kms.enable_key(KeyId=arn)
dry = refused("DryRunOperationException", kms.encrypt, KeyId=arn, Plaintext=b"x", DryRun=True)
assert "DryRun" in dry.response["Error"]["Message"]
refused("NotFoundException", kms.describe_key, KeyId="00000000-0000-0000-0000-000000000000")
for each in keys:
    assert kms.schedule_key_deletion(KeyId=each, PendingWindowInDays=7)["KeyState"] == "PendingDeletion"
refused("KMSInvalidStateException", kms.encrypt, KeyId=arn, Plaintext=b"x")
print(f"{len(keys)} keys")
