"""Key-encryption keys: they wrap the data keys of stations, and lie in no database.

Two places can hold them: files beside the other private keys (`FileKeys`), or a token reached
by PKCS#11, such as a hardware security module (`TokenKeys`).
"""

from cloud.key_encryption.files import FileKeys
from cloud.key_encryption.ring import KeyEncryption, KeyRing, WrongKeyError

__all__ = ["FileKeys", "KeyEncryption", "KeyRing", "WrongKeyError"]
