/* Keys for the tests of known_hosts. Nobody has their private halves. */
#ifndef ADIT_T_KNOWN_KEYS_H
#define ADIT_T_KNOWN_KEYS_H

#define HOST "127.0.0.1"
#define PORT "2222"
#define NAME "[" HOST "]:" PORT

/* The server's. */
#define SERVER_ED25519                                                                             \
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFpg300oPgIZsY1ZBLyC1NVObdodb+LvUDUmAOYARev4"
#define SERVER_ECDSA                                                                               \
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA14j/da"             \
    "WnvdkuY6+J7g93rmPQNEcBNhpjvYDZkVNd33zKHfEUAe7nz8nBPPRdVEpTDO+F28gB7Fvhsoq12NNiY="
#define SERVER_RSA                                                                                 \
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC4NoZ1cZXrWFWDpK8VmRHP20+oPB6gWbgeQ/IvjU17"             \
    "DNOLNCQYKtno8ggZSNDpveVch6GenlPahmY/14xrNziC0pZq3A9pwgSTkbTu1D4zJ94WaucN14y1FT9W"             \
    "Ft1fCUr+TyKDOn1ZKfP1jxduMFa1zaPlmQvSYhEuqIvTgHRVNFJJNWoPEwD5G4VwM8280CrzFXMgWrMd"             \
    "HAnDn+tQGrwPzZp/HKQHRkqJOK9sKIPSQxMPsChLTteMSJ2AnKguc4hTx8I33/ydkjEEcNxwiYgeGzDi"             \
    "B8RtWxIQGaB9nP76fP9IbrpfExea3wLbA0bKker5QP1158eznhCCQ69bbpCFtK1QYHVY0c4b6Hs3KWw1"             \
    "grXMtmDKo6LU2gFQa7H+k0WmUbpP7hZgxMGjyvfjtW5kgwDyeDf0GkkQ6MJfEGyyU7tA+UB7XhXvye+X"             \
    "NwTlo+tuWXT2eDXCiyjPXvV6zMUfg1duew9YGoTulf8DdflXMIKZxynDa30ZD1QsKoLHMWc="
#define SERVER_CERTIFICATE                                                                         \
    "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29"             \
    "tAAAAILEK4xAcXuOV36lIpV/9romyiNLAwm6OREBkvtnwcKJ2AAAAIFpg300oPgIZsY1ZBLyC1NVObdo"             \
    "db+LvUDUmAOYARev4AAAAAAAAAAAAAAACAAAAAXgAAAAFAAAAAWgAAAAAAAAAAP//////////AAAAAAA"             \
    "AAAAAAAAAAAAAMwAAAAtzc2gtZWQyNTUxOQAAACAR6oI40o+D81ATKrn4HYFjKsIV7c39xCOZ/uHFA2R"             \
    "7BwAAAFMAAAALc3NoLWVkMjU1MTkAAABAaQG54OSGBdafjcnPgtYyi6OcISarM7gA3SZA1iqDzZFELRb"             \
    "aL0HYDYBURqILxSUE1kydt+nd4VXJwZlZo8DSDA=="

/* Others'. */
#define OTHER_KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINQufZHuKeAKorSoYr9zNWomFAkLMgf/826cEUkz+L3a"
#define OTHER_FINGERPRINT "SHA256:KsoemLHNAa9VfmtDeQ6bh61zJteyLtjmhJxRXuH6cxo"
#define SHORT_KEY                                                                                  \
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAYQCRcUjsR5I/Lg49cxQqxPlOxMcweIZbptKfDqFyzW9L"             \
    "8022ma9cM1NdNpTUrvkaEfkWAE0DgveURIqFUGI9NMmFYsZqel3XDDFGYYBjw0TlMebUtZ43mAhEPOli"             \
    "s6vWPFs="

/* The order in which adit offers them. */
#define ALGORITHMS "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256"

#endif
