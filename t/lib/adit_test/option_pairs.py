"""Pairs of an option of ssh and a value, and where adit does another thing than ssh with one.

{NAME} in a value is a file of the test; see t/e2e/option_pairs.t.
"""

# For each keyword its values. What the server does: it lets every key in.
ACCEPTED = {
    "Ciphers": ["aes128-ctr", "aes256-ctr", "aes192-ctr,aes128-ctr", "aes256-gcm@openssh.com",
                "aes128-gcm@openssh.com,aes128-ctr", "chacha20-poly1305@openssh.com,aes128-ctr",
                "aes*", "-aes*-gcm@openssh.com", "-chacha20*", "^aes128-ctr",
                "^aes256-ctr,aes128-ctr", "+aes256-cbc", "aes128-ctr,aes128-cbc", "aes*-ctr",
                "-aes128-ctr"],
    "MACs": ["hmac-sha2-256", "hmac-sha2-512,hmac-sha2-256", "hmac-sha1,hmac-sha2-256",
             "hmac-sha2-256-etm@openssh.com,hmac-sha2-256", "hmac-sha2-*", "^hmac-sha2-256",
             "^hmac-sha2-512,hmac-sha2-256", "-hmac-sha1*", "-*-etm@openssh.com", "-umac*",
             "hmac-sha2-512"],
    "KexAlgorithms": ["curve25519-sha256", "curve25519-sha256,curve25519-sha256@libssh.org",
                      "ecdh-sha2-nistp256,curve25519-sha256", "ecdh-sha2-nistp*,curve25519-sha256",
                      "diffie-hellman-group14-sha256,curve25519-sha256",
                      "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
                      "curve25519-sha256",
                      "diffie-hellman-group-exchange-sha256,curve25519-sha256",
                      "^curve25519-sha256",
                      "^ecdh-sha2-nistp521", "-sntrup*", "-diffie*", "-ecdh*",
                      "+diffie-hellman-group14-sha1", "diffie-hellman-group14-sha256"],
    "HostKeyAlgorithms": ["ssh-ed25519", "ssh-ed25519,rsa-sha2-256", "rsa-sha2-512,ssh-ed25519",
                          "ecdsa-sha2-nistp256,ssh-ed25519", "ecdsa-*,ssh-ed25519", "^ssh-ed25519",
                          "^rsa-sha2-512", "-rsa*", "-ecdsa*", "+ssh-rsa",
                          "rsa-sha2-512,rsa-sha2-256", "ssh-ed25519,ssh-rsa"],
    "PubkeyAcceptedAlgorithms": ["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256", "rsa-sha2-*",
                                 "ecdsa-sha2-nistp256", "rsa-sha2-256,rsa-sha2-512", "-ssh-ed25519",
                                 "-rsa*", "^rsa-sha2-256", "+ssh-rsa", "ssh-ed25519,rsa-sha2-512"],
    "Compression": ["yes", "no"],
    "User": ["somebody", "a.b-c", "name@realm", "UPPER"],
    "HostKeyAlias": ["other", "thing.example"],
    "StrictHostKeyChecking": ["yes", "no", "ask", "accept-new", "off"],
    "UserKnownHostsFile": ["{known}", "{unknown}", "none", "/dev/null", "{unknown} {known}",
                           "{missing}", "{changed}", "{revoking}"],
    "GlobalKnownHostsFile": ["{known}", "{missing}", "none", "{changed}", "{revoking}"],
    "RevokedHostKeys": ["none", "{revoked}", "{others_revoked}", "{missing}"],
    "NoHostAuthenticationForLocalhost": ["yes", "no"],
    "CheckHostIP": ["yes", "no"],
    "HashKnownHosts": ["yes", "no"],
    "RequiredRSASize": ["1024", "2048", "3072", "4096"],
    "IdentityFile": ["{key}", "{rsa}", "{ecdsa}", "{missing}", "none", "{key}.pub",
                     "{directory}/id"],
    "IdentitiesOnly": ["yes", "no"],
    "IdentityAgent": ["{agent}", "none", "{missing}", "SSH_AUTH_SOCK", "$TEST_AGENT"],
    "CertificateFile": ["{certificate}", "{missing}"],
    "AddKeysToAgent": ["yes", "no"],
    "BindAddress": ["127.0.0.1", "127.0.0.2", "127.8.8.8"],
    "AddressFamily": ["any", "inet", "inet6"],
    "BatchMode": ["yes", "no"],
    "ConnectTimeout": ["1", "5", "0", "none"],
    "ConnectionAttempts": ["1", "3"],
    "HostName": ["127.0.0.1", "127.0.0.9"],
    "ProxyCommand": ["none"],
    "ProxyJump": ["none"],
    "ProxyUseFdpass": ["no"],
    "RekeyLimit": ["1G", "default", "64M 1h"],
    "TCPKeepAlive": ["yes", "no"],
    "IPQoS": ["af21", "none"],
    "LogLevel": ["QUIET", "ERROR"],
    "SendEnv": ["LANG"],
    "SetEnv": ["A=1"],
    "RequestTTY": ["force"],
    "SessionType": ["none"],
    "ForwardAgent": ["yes"],
    "ForwardX11": ["yes"],
    "Tunnel": ["no"],
    "GSSAPIAuthentication": ["yes", "no"],
    "HostbasedAuthentication": ["no"],
    "FingerprintHash": ["md5"],
    "VisualHostKey": ["yes"],
    "UpdateHostKeys": ["yes", "no", "ask"],
    "EscapeChar": ["none"],
    "ControlMaster": ["no"],
    "ControlPath": ["none"],
    "ControlPersist": ["10"],
    "PermitLocalCommand": ["no"],
    "PermitRemoteOpen": ["any", "none"],
    "GatewayPorts": ["yes"],
    "ExitOnForwardFailure": ["yes"],
    "ClearAllForwardings": ["yes"],
    "StreamLocalBindMask": ["0111"],
    "StreamLocalBindUnlink": ["yes"],
    "StdinNull": ["yes"],
    "SyslogFacility": ["LOCAL1"],
    "EnableSSHKeysign": ["yes"],
    "CanonicalizeHostname": ["no", "yes"],
    "CanonicalizeFallbackLocal": ["yes"],
    "CASignatureAlgorithms": ["ssh-ed25519"],
    "KnownHostsCommand": ["none", "{known_command}"],
    "ServerAliveCountMax": ["2"],
    "Port": ["{port}"],
}

# It refuses whatever comes.
REFUSED = {
    "PreferredAuthentications": ["publickey", "password", "keyboard-interactive",
                                 "password,publickey", "keyboard-interactive,password",
                                 "publickey,keyboard-interactive", "password,keyboard-interactive",
                                 "publickey,password,keyboard-interactive", "hostbased,password",
                                 "nonsense", "nonsense,password", "publickey,publickey"],
    "NumberOfPasswordPrompts": ["1", "2", "5"],
    "PasswordAuthentication": ["yes", "no"],
    "KbdInteractiveAuthentication": ["yes", "no"],
    "ChallengeResponseAuthentication": ["no"],
    "PubkeyAuthentication": ["yes", "no", "unbound", "host-bound"],
    "BatchMode": ["yes", "no"],
    "IdentitiesOnly": ["yes", "no"],
    "IdentityAgent": ["{agent}", "none"],
    "IdentityFile": ["{key}", "{rsa}", "none", "{agent_key}.pub"],
    "CertificateFile": ["{certificate}"],
    "PubkeyAcceptedAlgorithms": ["rsa-sha2-512", "-ssh-ed25519", "ssh-ed25519"],
    "RequiredRSASize": ["4096"],
    "User": ["nobody-else"],
    "GSSAPIAuthentication": ["yes"],
    "KbdInteractiveDevices": ["none"],
}

# With -N: the requests after the login are what is looked at; the number is of those.
FORWARDS = {
    "RemoteForward": [("7001 db:1", 1), ("127.0.0.1:7002 db:1", 1), ("*:7003 db:1", 1),
                      ("0 db:1", 1), ("localhost:7004 db:1", 1), ("/run/there.sock db:1", 1),
                      ("[::1]:7005 db:1", 1), ("7006", 1)],
    "ServerAliveInterval": [("1", 1)],
}

# Names that ssh proposes and adit never does, since the SSH library does not know them or adit
# cannot use them (adit(8), DIFFERENCES): a host's certificates and keys of FIDO tokens.
LACKS = {
    "umac-64-etm@openssh.com", "umac-128-etm@openssh.com", "umac-64@openssh.com",
    "umac-128@openssh.com", "zlib",
    "ssh-ed25519-cert-v01@openssh.com", "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-256-cert-v01@openssh.com",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
}

# The same, of which later versions of the SSH library know some.
LACKS_SO_FAR = {
    "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com", "mlkem768x25519-sha256",
}

# What adit proposes where no option says: the fields that are not ssh's, and why.
USUAL_DIFFERS = {
    "ciphers": "AES-GCM comes first where the processor has it",
    "ciphers back": "the same",
    "macs": "those that sign what is encrypted come first, but for SHA-1",
    "macs back": "the same",
    "host keys": "the longer curve comes first",
    "kex": "the larger group comes first",
}

OWN_ORDER = "adit's own order stays where the option adds to ssh's list or takes from it"
SHA_512 = "libssh signs with SHA-512 where both are allowed"
PUBLIC_HALF = "a key whose private half is nowhere is not offered"
AGENT_LAST = "keys in files come before the agent's others (a server counts those that it refuses)"

PROPOSED = ("kex", "host keys", "ciphers", "ciphers back", "macs", "macs back", "compression",
            "compression back", "marks")
EVERYTHING = (*PROPOSED, "auth", "after", "peer", "connected")

# What adit does otherwise with a pair: by the keyword, or (keyword, value), or (mode, keyword,
# value), the fields of the record, or "status" (whether the program succeeded) or "connected", and
# why. Each field must differ.
DIFFERS = {
    ("HostKeyAlgorithms", "-rsa*"): {"host keys": OWN_ORDER},
    ("HostKeyAlgorithms", "+ssh-rsa"): {"host keys": OWN_ORDER},
    ("PubkeyAcceptedAlgorithms", "rsa-sha2-*"): {"auth": SHA_512},
    ("PubkeyAcceptedAlgorithms", "rsa-sha2-256,rsa-sha2-512"): {"auth": SHA_512},
    ("RevokedHostKeys", "{missing}"): dict.fromkeys(
        PROPOSED, "adit reads the files before the key exchange, and fails as ssh does after it"),
    ("IdentityFile", "{key}.pub"): {"auth": PUBLIC_HALF},
    ("IdentityFile", "{agent_key}.pub"): {"auth": PUBLIC_HALF},
    ("IdentitiesOnly", "no"): {"auth": AGENT_LAST},
    ("accepted", "IdentityAgent", "{agent}"): {"auth": AGENT_LAST},
    ("refused", "IdentityAgent", "{agent}"): {"auth": AGENT_LAST},
    ("IdentityAgent", "$TEST_AGENT"): {"auth": AGENT_LAST},
    ("RemoteForward", "/run/there.sock db:1"): dict.fromkeys(
        EVERYTHING, "libssh cannot ask for it, and adit refuses the option"),
}
