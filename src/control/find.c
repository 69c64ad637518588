/* Tunnels that run, by the files in the directory of their control sockets. */
#include "control/find.h"

#include "base/buffer.h"
#include "base/exit_status.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "conf/tunnel_socket.h"
#include "control/client.h"
#include "control/protocol.h"
#include "control/report.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A socket whose process was killed is removed when it is this old. (One that is younger may not be
 * listened on yet.) */
#define STALE_SECONDS 60

static void remove_stale(const char *path)
{
    struct stat status;

    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode) &&
        status.st_mtime + STALE_SECONDS < time(NULL))
        unlink(path);
}

/* (Who is not told takes the tunnel for one that has ended, and starts another.) */
static void print_silent(const char *path, int error)
{
    char *line =
        mem_printf("adit: %s: %s", path,
                   error != 0 ? strerror(error) : "the tunnel there does not answer, or is ending");

    report_line(stderr, line);
    free(line);
}

/* What a tunnel says of itself; NULL: none listens there, or it says nothing. */
static json_t *tunnel_at(const char *path, const char *name)
{
    json_t *status = control_question(path, "status");
    json_t *tunnel;

    if (status == NULL) {
        if (errno == ECONNREFUSED)
            remove_stale(path);
        else if (errno != ENOENT) /* (it has just gone) */
            print_silent(path, errno);
        return NULL;
    }
    tunnel = json_object();
    json_object_set_new(tunnel, "host", json_stringn(name, (size_t)(strrchr(name, '.') - name)));
    json_object_set(tunnel, "pid", json_object_get(status, "pid"));
    json_object_set(tunnel, "upstreams", json_object_get(status, "upstreams"));
    json_object_set(tunnel, "listeners", json_object_get(status, "listeners"));
    json_object_set(tunnel, "forwards", json_object_get(status, "forwards"));
    json_object_set_new(tunnel, "control", json_text(path));
    json_decref(status);
    return tunnel;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The tunnels to a host, or NULL: to any, as an array. */
static json_t *tunnels_to(const char *host)
{
    char *directory = tunnel_socket_directory();
    json_t *tunnels = json_array();
    struct dirent **entries = NULL;
    int count = directory != NULL ? scandir(directory, &entries, NULL, by_name) : 0;

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (tunnel_socket_is_of(name, host)) {
            char *path = mem_printf("%s/%s", directory, name);
            json_t *tunnel = tunnel_at(path, name);
            if (tunnel != NULL)
                json_array_append_new(tunnels, tunnel);
            free(path);
        }
        free(entries[i]);
    }
    free(entries);
    free(directory);
    return tunnels;
}

/* NULL, after the reason was written. */
static char *take_only(const json_t *tunnels, const char *host)
{
    const json_t *tunnel;
    size_t i;

    if (json_array_size(tunnels) == 1)
        return mem_strdup(control_text(json_array_get(tunnels, 0), "control"));
    if (json_array_size(tunnels) == 0) {
        fprintf(stderr,
                "adit: no tunnel to %s runs, as far as is known: adit -O list shows those that do, "
                "and ControlPath in ssh_config or -S PATH says where another one listens\n",
                host);
        return NULL;
    }
    fprintf(stderr, "adit: several tunnels to %s run: say which by -S\n", host);
    json_array_foreach(tunnels, i, tunnel) report_line(stderr, control_text(tunnel, "control"));
    return NULL;
}

char *control_find(const char *path, const char *host)
{
    enum control_peer peer = CONTROL_NOBODY;
    json_t *tunnels;
    char *found;
    pid_t pid;

    if (path != NULL && host != NULL)
        peer = control_probe(path, &pid);
    if (host == NULL || peer != CONTROL_NOBODY)
        return mem_strdup(path);
    tunnels = tunnels_to(host);
    found =
        path != NULL && json_array_size(tunnels) == 0 ? mem_strdup(path) : take_only(tunnels, host);
    json_decref(tunnels);
    return found;
}

int control_list(bool json)
{
    json_t *tunnels = tunnels_to(NULL);
    int status = EXIT_SUCCESS;

    if (json) {
        json_dumpf(tunnels, stdout, JSON_TEXT_FLAGS | JSON_INDENT(2));
        putchar('\n');
    } else {
        report_list(stdout, tunnels);
        if (json_array_size(tunnels) == 0)
            fputs("adit: no tunnel runs. Not listed are gateways, and tunnels that were given a "
                  "control socket (-S PATH, ControlPath): ask those by --config FILE, -S PATH or "
                  "their host\n",
                  stderr);
    }
    if (fflush(stdout) != 0) {
        fprintf(stderr, "adit: standard output: %s\n", strerror(errno));
        status = EXIT_SSH;
    }
    json_decref(tunnels);
    return status;
}
