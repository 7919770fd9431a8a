"""What a boto3 user does with keys of every kind, checked as it goes. Ends with 0 if everything was as it should be.

Takes endpoint, region and credentials from the usual environment variables, the endpoint from AWS_ENDPOINT_URL_KMS.
"""
import datetime
import os
import subprocess
import tempfile

import boto3
from botocore.config import Config

from boto3_checks import equal, error_of

kms = boto3.client(
    'kms', endpoint_url=os.environ['AWS_ENDPOINT_URL_KMS'], region_name=os.environ['AWS_DEFAULT_REGION'],
    config=Config(retries={'total_max_attempts': 1}),
)


def new_key(**members):
    return kms.create_key(**members)['KeyMetadata']['Arn']


def openssl(*arguments, **files):
    """Runs openssl with the given contents in files, named by their keywords in braces; answers what it wrote to {out}."""
    with tempfile.TemporaryDirectory() as directory:
        paths = {name: os.path.join(directory, name) for name in [*files, 'out']}
        for name, content in files.items():
            with open(paths[name], 'wb') as file:
                file.write(content)
        subprocess.run(['openssl', *[each.format(**paths) for each in arguments]], check=True, stdout=subprocess.DEVNULL)
        if not os.path.exists(paths['out']):
            return b''
        with open(paths['out'], 'rb') as file:
            return file.read()


message = b'keys of every kind'

signing = new_key(KeySpec='RSA_2048', KeyUsage='SIGN_VERIFY')
public = kms.get_public_key(KeyId=signing)
for algorithm in public['SigningAlgorithms']:
    signature = kms.sign(KeyId=signing, Message=message, SigningAlgorithm=algorithm)['Signature']
    assert kms.verify(KeyId=signing, Message=message, SigningAlgorithm=algorithm, Signature=signature)['SignatureValid']
    sha = 'sha' + algorithm[-3:]
    pss = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:digest'] if 'PSS' in algorithm else []
    openssl('dgst', '-' + sha, '-keyform', 'DER', '-verify', '{key}', *pss, '-signature', '{signature}', '{message}',
            key=public['PublicKey'], signature=signature, message=message)
equal(error_of(kms.verify, KeyId=signing, Message=b'other', SigningAlgorithm=algorithm, Signature=signature), 'KMSInvalidSignatureException')

curve = new_key(KeySpec='ECC_NIST_P384', KeyUsage='SIGN_VERIFY')
signature = kms.sign(KeyId=curve, Message=message, SigningAlgorithm='ECDSA_SHA_384')['Signature']
openssl('dgst', '-sha384', '-keyform', 'DER', '-verify', '{key}', '-signature', '{signature}', '{message}',
        key=kms.get_public_key(KeyId=curve)['PublicKey'], signature=signature, message=message)

hmac = new_key(KeySpec='HMAC_512', KeyUsage='GENERATE_VERIFY_MAC')
mac = kms.generate_mac(KeyId=hmac, Message=message, MacAlgorithm='HMAC_SHA_512')['Mac']
assert kms.verify_mac(KeyId=hmac, Message=message, MacAlgorithm='HMAC_SHA_512', Mac=mac)['MacValid']
equal(error_of(kms.verify_mac, KeyId=hmac, Message=message, MacAlgorithm='HMAC_SHA_512', Mac=mac[:-1] + b'\0\0'), 'KMSInvalidMacException')

encrypting = new_key(KeySpec='RSA_2048', KeyUsage='ENCRYPT_DECRYPT')
outside = openssl('pkeyutl', '-encrypt', '-pubin', '-keyform', 'DER', '-inkey', '{key}', '-in', '{message}', '-out', '{out}',
                  '-pkeyopt', 'rsa_padding_mode:oaep', '-pkeyopt', 'rsa_oaep_md:sha256', '-pkeyopt', 'rsa_mgf1_md:sha256',
                  key=kms.get_public_key(KeyId=encrypting)['PublicKey'], message=message)
equal(kms.decrypt(KeyId=encrypting, CiphertextBlob=outside, EncryptionAlgorithm='RSAES_OAEP_SHA_256')['Plaintext'], message)

symmetric = new_key()
pair = kms.generate_data_key_pair(KeyId=symmetric, KeyPairSpec='ECC_NIST_P256')
equal(kms.decrypt(CiphertextBlob=pair['PrivateKeyCiphertextBlob'])['Plaintext'], pair['PrivateKeyPlaintext'])
equal(openssl('pkey', '-inform', 'DER', '-in', '{key}', '-pubout', '-outform', 'DER', '-out', '{out}', key=pair['PrivateKeyPlaintext']),
      pair['PublicKey'])

external = new_key(Origin='EXTERNAL')
parameters = kms.get_parameters_for_import(KeyId=external, WrappingAlgorithm='RSAES_OAEP_SHA_256', WrappingKeySpec='RSA_2048')
material = os.urandom(32)
wrapped = openssl('pkeyutl', '-encrypt', '-pubin', '-keyform', 'DER', '-inkey', '{key}', '-in', '{material}', '-out', '{out}',
                  '-pkeyopt', 'rsa_padding_mode:oaep', '-pkeyopt', 'rsa_oaep_md:sha256', '-pkeyopt', 'rsa_mgf1_md:sha256',
                  key=parameters['PublicKey'], material=material)
tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
kms.import_key_material(KeyId=external, ImportToken=parameters['ImportToken'], EncryptedKeyMaterial=wrapped, ValidTo=tomorrow)
equal(kms.describe_key(KeyId=external)['KeyMetadata']['ExpirationModel'], 'KEY_MATERIAL_EXPIRES')
blob = kms.encrypt(KeyId=external, Plaintext=message)['CiphertextBlob']
kms.delete_imported_key_material(KeyId=external)
equal(error_of(kms.decrypt, CiphertextBlob=blob), 'KMSInvalidStateException')

account = kms.describe_key(KeyId=symmetric)['KeyMetadata']['AWSAccountId']
grant = {'KeyId': symmetric, 'GranteePrincipal': f'arn:aws:iam::{account}:user/administrator', 'Operations': ['Decrypt', 'Encrypt']}
first = kms.create_grant(Name='worker', **grant)
equal(kms.create_grant(Name='worker', **grant)['GrantId'], first['GrantId'])
pages = kms.get_paginator('list_grants').paginate(KeyId=symmetric)
equal([each['GrantId'] for page in pages for each in page['Grants']], [first['GrantId']])
kms.revoke_grant(KeyId=symmetric, GrantId=first['GrantId'])
equal(error_of(kms.revoke_grant, KeyId=symmetric, GrantId=first['GrantId']), 'NotFoundException')
