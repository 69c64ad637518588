/* Rules from text and requests in words, for the tests of policy/acl. */
#ifndef ADIT_T_ACL_TEST_H
#define ADIT_T_ACL_TEST_H

#include "policy/acl.h"

#include "base/hostport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Appends "allow = WORDS" or "deny = WORDS". */
static inline int add_line(struct acl *acl, const char *text, unsigned line, char *error,
                           size_t size)
{
    const char *words = strchr(text, '=') + 1;

    return acl_add(acl, &(struct acl_words){strncmp(text, "allow", 5) == 0, words, line}, error,
                   size);
}

/* Builds a list from lines; they are numbered from 1. */
static inline struct acl *acl_of(const char *text)
{
    struct acl *acl = acl_new();
    char *lines = strdup(text);
    char *rest = lines;
    char *line;
    char error[256];

    for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
        if (*line && add_line(acl, line, number, error, sizeof(error)) < 0)
            fail_msg("%s: %s", line, error);
    }
    free(lines);
    return acl;
}

/* A request in words; an empty one is to www.example.com:80 from 192.0.2.1 without a user at
 * "main". */
struct request {
    const char *from; /* "unix": a unix socket; "remote ADDRESS": by a remote forward */
    const char *user;
    const char *listen;
    const char *host; /* as a client might write it */
    const char *ip;   /* resolved */
    bool bind;
    uint16_t port;
};

static inline struct acl_verdict decide(const struct acl *acl, const struct request *request)
{
    struct ip from;
    struct ip ip;
    char host[HOST_MAX + 1];
    struct acl_query query = {
        .from = &from,
        .user = request->user,
        .listen = request->listen ? request->listen : "main",
        .host = host,
        .port = request->port ? request->port : 80,
        .bind = request->bind,
    };

    strcpy(host, request->host ? request->host : "www.example.com");
    host_normalise(host);
    query.remote = request->from && strncmp(request->from, "remote ", strlen("remote ")) == 0;
    if (request->from && strcmp(request->from, "unix") == 0)
        query.from = NULL;
    else if (query.remote)
        assert_true(ip_parse(request->from + strlen("remote "), &from));
    else
        assert_true(ip_parse(request->from ? request->from : "192.0.2.1", &from));
    if (request->ip) {
        assert_true(ip_parse(request->ip, &ip));
        query.ip = &ip;
    }
    return acl_decide(acl, &query);
}

#endif
