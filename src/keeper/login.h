/* One login of a gateway, as the keeper serves it over a login line (wire/login_line.h): the files
 * of host keys, questions to a person, passwords. All of it runs on the line's own thread, which
 * may block. Only for this room. */
#ifndef ADIT_KEEPER_LOGIN_H
#define ADIT_KEEPER_LOGIN_H

#include "base/ip.h"
#include "base/quota.h"
#include "conf/config.h"
#include "conf/identities.h"
#include "conf/upstream_host.h"
#include "keeper/ask.h"
#include "keeper/host_key_files.h"
#include "keeper/key_agent.h"
#include "wire/login_line.h"

#include <stdarg.h>
#include <stdio.h>

struct login {
    const struct config_upstream *upstream;
    struct upstream_host host;
    /* In known_hosts: "name", "[name]:port" or HostKeyAlias, in small letters. */
    char *known_as;
    char *without_port; /* "name" where known_as is "[name]:port"; else NULL */
    struct host_key_files files;
    bool asked_files; /* they were asked for */
    bool has_files;   /* they were read, and no host key was judged by them yet */
    struct asker asker;
    bool has_address; /* the gateway has a TCP connection to the server, which is: */
    struct ip address;
    uint16_t address_port;
    /* Secrets, each NULL or to be freed by secret_free. */
    char *password;   /* of password_file */
    char *kept;       /* the one of an earlier login, that the gateway was given */
    char *learnt;     /* the last answer that may be kept */
    char *passphrase; /* of passphrase_file */
    char *memory;     /* the key of base/secrets.h for what is kept */
    /* The keeper's, before login_begin. */
    struct key_agent *keys;
    struct quota *agents; /* of connections to agents */
    struct identities identities;
    bool has_prepared;   /* they were found before they were asked for */
    bool has_identities; /* they were asked for */
    char accepted[256];  /* why the host key was accepted: "known by FILE:LINE" */
    char error[3072];
};

/* Sets the error of a step. Returns `result`, so that a step can end with the call. */
__attribute__((format(printf, 3, 4))) static inline enum login_result login_fail(
    struct login *login, enum login_result result, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(login->error, sizeof(login->error), format, arguments);
    va_end(arguments);
    return result;
}

/* Notes why the host key was accepted. Returns LOGIN_OK. */
__attribute__((format(printf, 2, 3))) static inline enum login_result login_accept_key(
    struct login *login, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(login->accepted, sizeof(login->accepted), format, arguments);
    va_end(arguments);
    return LOGIN_OK;
}

/* login_serve.c */

/* A login at a host of the upstream, asked for over the line's end `end`. Zero it before; to be
 * cleared. */
void login_begin(struct login *login, const struct config_upstream *upstream,
                 const struct upstream_host *host, bool may_ask, int end);
void login_clear(struct login *login);

/* Answers what is asked for, until the gateway ends the line or asks for what it may not. */
void login_serve(struct login *login);

struct login_reply {
    uint32_t numbers[2];
    char *text;     /* to be freed by secret_free; NULL: "" */
    int descriptor; /* to be closed; -1: none */
};

/* login_host_key.c */

/* The server's host key, whose blob a gateway has sent, against revocations, and pins or
 * known_hosts, as ssh_config(5) StrictHostKeyChecking. */
enum login_result login_host_key(struct login *login, struct span blob);

/* The files with the names of the server. */
struct known_hosts login_known_hosts(const struct login *login);

/* login_questions.c */

/* Asks a question of the gateway's. The caller frees by secret_free; NULL: no answer. */
char *login_question(struct login *login, enum login_question question, bool echo, bool may_keep,
                     struct span text);

/* Shows a text of the gateway's. */
void login_show(struct login *login, struct span text);

/* login_passwords.c */

/* Reads password_file and passphrase_file, if there are any. */
enum login_result login_read_password(struct login *login);

/* The password; NULL: there is none. */
const char *login_password(struct login *login, enum login_password which);

/* The server has refused it, or accepted the last answer that may be kept. */
void login_password_refused(struct login *login, enum login_password which);
void login_password_accepted(struct login *login);

/* login_keys.c */

/* Whether the keeper loads the keys; else the gateway reads their files. */
bool login_loads_keys(const struct login *login);

/* Finds and loads, while the gateway exchanges keys with the server, what a login by key will most
 * likely ask for. */
void login_prepare_keys(struct login *login);

/* Which keys may be offered. False: that was asked for already. */
bool login_list_keys(struct login *login, struct login_reply *reply);

/* A connection to the user's agent. */
void login_open_agent(struct login *login, struct login_reply *reply);

/* Loads a key. False: there is no key of that number, or a passphrase is to be asked for and it is
 * not this login's turn. */
bool login_load_key(struct login *login, uint32_t number, bool asks, struct login_reply *reply);

#endif
