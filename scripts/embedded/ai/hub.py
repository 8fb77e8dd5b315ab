"""The program that gets one file from Hugging Face: `hub.py REPOSITORY REVISION PATH FOLDER`; it resumes by itself."""

import sys

from huggingface_hub import hf_hub_download

if __name__ == "__main__":
    repository, revision, path, folder = sys.argv[1:]
    hf_hub_download(repository, path, revision=revision, local_dir=folder)
