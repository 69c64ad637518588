/* What adit does not do of ssh_config(5): one table. t/lib/ssh_options.table has every keyword. */
#include "conf/ssh_undone.h"

#include <stddef.h>
#include <string.h>

enum wish { WISH_ANY, WISH_YES };

static const struct undone {
    const char *keyword;
    const char *text;
    enum wish wish; /* WISH_YES: "no" and "none" are none */
    bool by_ssh;    /* where an ssh(1) carries the sessions it is done */
} undone[] = {
    {"channeltimeout", "ChannelTimeout: adit closes no idle connections", WISH_YES, false},
    {"checkhostip", "CheckHostIP: adit looks host keys up by name only", WISH_YES, false},
    {"fingerprinthash", "FingerprintHash: adit shows fingerprints by SHA256", WISH_ANY, false},
    {"forwardagent", "ForwardAgent: adit forwards no agent", WISH_YES, false},
    {"forwardx11", "ForwardX11: adit forwards no X11", WISH_YES, false},
    {"hostbasedauthentication", "HostbasedAuthentication: adit logs in as a user only", WISH_YES,
     true},
    {"kbdinteractivedevices", "KbdInteractiveDevices: the server chooses the device", WISH_ANY,
     true},
    {"permitlocalcommand", "LocalCommand: adit runs no commands", WISH_YES, false},
    {"pkcs11provider", "PKCS11Provider: adit knows none; an agent may", WISH_YES, true},
    {"proxyusefdpass", "ProxyUseFdpass: adit talks to the command itself", WISH_YES, false},
    {"remotecommand", "RemoteCommand: adit runs no commands", WISH_YES, false},
    {"securitykeyprovider", "SecurityKeyProvider: adit knows none; an agent may", WISH_YES, true},
    {"tunnel", "Tunnel: adit forwards no tunnel devices", WISH_YES, false},
    {"verifyhostkeydns", "VerifyHostKeyDNS: adit does not look host keys up in the DNS", WISH_YES,
     true},
    {"versionaddendum", "VersionAddendum: adit adds nothing to the version that it sends", WISH_YES,
     true},
};

/* (Where the usual value is not known, one that may be ssh's own is no wish.) */
static bool is_wish(const struct ssh_answer *answer, const struct ssh_answer *usual,
                    const struct undone *u)
{
    const char *value = ssh_answer_value(answer, u->keyword);
    const char *otherwise = usual ? ssh_answer_value(usual, u->keyword) : NULL;

    if (!value || (otherwise && strcmp(value, otherwise) == 0))
        return false;
    if (u->wish == WISH_ANY)
        return usual != NULL;
    return !ssh_word_is_none(value) && !ssh_word_is_no(value);
}

void ssh_undone_each(const struct ssh_answer *answer, const struct ssh_answer *usual,
                     ssh_undone_fn *each, void *arg)
{
    for (size_t i = 0; i < sizeof(undone) / sizeof(undone[0]); i++) {
        if (is_wish(answer, usual, &undone[i]))
            each(arg, undone[i].text, undone[i].by_ssh ? undone[i].keyword : NULL);
    }
}
