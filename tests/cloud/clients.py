"""The vendors' own clients, run by the Python that has them (tests/servers/common.sh, sv_venv):

    clients.py KIND ACTION CONTAINER [NAME...]     what the server said stands in the environment

Actions: list (JSON: names and sizes), get NAME (bytes on stdout), put NAME (bytes from stdin),
sas PERMISSIONS SECONDS (azure), session (s3: JSON, a session that may read and list only).
"""
import datetime
import json
import os
import sys

E = os.environ


class S3:
    def __init__(self):
        import boto3
        from botocore.config import Config
        plain = Config(s3={"addressing_style": "path"},
                       request_checksum_calculation="when_required")
        self.options = dict(endpoint_url=E["S3_ENDPOINT"], region_name=E["AWS_REGION"],
                            verify=E.get("CA_FILE") or True)
        self.boto3, self.client = boto3, boto3.client("s3", config=plain, **self.options)

    def list(self, container):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=container)
        return {o["Key"]: o["Size"] for page in pages for o in page.get("Contents", [])}

    def get(self, container, name):
        return self.client.get_object(Bucket=container, Key=name)["Body"].read()

    def put(self, container, name, data):
        self.client.put_object(Bucket=container, Key=name, Body=data)

    def session(self, container):
        policy = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"],
            "Resource": [f"arn:aws:s3:::{container}", f"arn:aws:s3:::{container}/*"]}]}
        given = self.boto3.client("sts", **self.options).assume_role(
            RoleArn="arn:aws:iam::123456789012:role/reader", RoleSessionName="reader",
            Policy=json.dumps(policy), DurationSeconds=900)["Credentials"]
        return {"AWS_ACCESS_KEY_ID": given["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
                "AWS_SESSION_TOKEN": given["SessionToken"]}


class Azure:
    def __init__(self):
        from azure.storage.blob import BlobServiceClient
        self.named = {"account_name": E["AZURE_STORAGE_ACCOUNT"],
                      "account_key": E["AZURE_STORAGE_KEY"]}
        self.service = BlobServiceClient(E["AZURE_ENDPOINT"], credential=self.named,
                                         connection_verify=E.get("CA_FILE") or True)

    def list(self, container):
        blobs = self.service.get_container_client(container).list_blobs()
        return {blob.name: blob.size for blob in blobs}

    def get(self, container, name):
        return self.service.get_blob_client(container, name).download_blob().readall()

    def put(self, container, name, data):
        self.service.get_blob_client(container, name).upload_blob(data, overwrite=True)

    def sas(self, container, permissions, seconds):
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas
        now = datetime.datetime.now(datetime.timezone.utc)
        return generate_container_sas(
            container_name=container, **self.named, start=now - datetime.timedelta(hours=2),
            permission=ContainerSasPermissions.from_string(permissions),
            expiry=now + datetime.timedelta(seconds=int(seconds)))


class Gs:
    def __init__(self):
        from google.cloud import storage
        from google.oauth2 import service_account
        E.pop("STORAGE_EMULATOR_HOST", None)
        scopes = ["https://www.googleapis.com/auth/devstorage.read_write"]
        credential = service_account.Credentials.from_service_account_file(
            E["GOOGLE_APPLICATION_CREDENTIALS"], scopes=scopes)
        self.client = storage.Client("snapvault", credentials=credential,
                                     client_options={"api_endpoint": E["GCS_ENDPOINT"]})

    def list(self, container):
        return {blob.name: blob.size for blob in self.client.list_blobs(container)}

    def get(self, container, name):
        return self.client.bucket(container).blob(name).download_as_bytes()

    def put(self, container, name, data):
        self.client.bucket(container).blob(name).upload_from_string(data)


class Swift:
    def __init__(self):
        import swiftclient
        if "OS_AUTH_URL" in E:
            options = {"project_name": E["OS_PROJECT_NAME"], "user_domain_id": "default",
                       "project_domain_id": "default", "region_name": E["OS_REGION_NAME"]}
            self.client = swiftclient.Connection(
                authurl=E["OS_AUTH_URL"], auth_version="3", user=E["OS_USERNAME"],
                key=E["OS_PASSWORD"], os_options=options)
        else:
            self.client = swiftclient.Connection(authurl=E["ST_AUTH"], user=E["ST_USER"],
                                                 key=E["ST_KEY"], auth_version="1")

    def list(self, container):
        listed = self.client.get_container(container, full_listing=True)[1]
        return {o["name"]: o["bytes"] for o in listed}

    def get(self, container, name):
        return self.client.get_object(container, name)[1]

    def put(self, container, name, data):
        self.client.put_object(container, name, data)


def main():
    kind, action, container, *rest = sys.argv[1:]
    client = {"s3": S3, "azure": Azure, "gs": Gs, "swift": Swift}[kind]()
    if action == "get":
        sys.stdout.buffer.write(client.get(container, *rest))
    elif action == "put":
        client.put(container, rest[0], sys.stdin.buffer.read())
    else:
        json.dump(getattr(client, action)(container, *rest), sys.stdout)


main()
