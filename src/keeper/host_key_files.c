/* Reading and writing the files about host keys. */
#include "keeper/host_key_files.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)64 << 20) /* bytes */

/* How long to wait for the lock, which other processes hold only while they read and write the
 * file, and how often to try: flock(2) itself cannot be waited for with a limit. */
#define LOCK_MS 5000
#define LOCK_LOOK_MS 20

/* How often a file may be replaced by another while the lock of the old one is waited for. */
#define REPLACED_TRIES 10

/* Makes the bytes those of the file. */
static void keep_bytes(struct known_hosts_file *file, struct buffer *bytes)
{
    char *copy = mem_zalloc(buffer_length(bytes) + 1);

    if (buffer_length(bytes) > 0)
        memcpy(copy, buffer_data(bytes), buffer_length(bytes));
    file->bytes = copy;
    file->length = buffer_length(bytes);
}

/* NULL, or why the file cannot be read, with errno set. A file that could block, or give its bytes
 * only once (a FIFO), is refused. */
static const char *read_known_file(struct known_hosts_file *file)
{
    struct buffer bytes = {0};
    const char *wrong = file_read(file->path, FILE_MAX, FILE_REGULAR_OR_EMPTY, &bytes);
    int number = errno;

    if (wrong == NULL)
        keep_bytes(file, &bytes);
    buffer_clear(&bytes);
    errno = number;
    return wrong;
}

bool host_key_files_read(struct host_key_files *files, const struct config_upstream *upstream,
                         char *error, size_t size)
{
    const struct string_list *known = &upstream->known_hosts;
    const char *wrong;

    files->known = mem_zalloc((known->count + 1) * sizeof(*files->known));
    for (size_t i = 0; i < known->count; i++) {
        struct known_hosts_file *file = &files->known[files->known_count++];
        file->path = known->items[i];
        wrong = read_known_file(file);
        if (wrong != NULL && errno != ENOENT) {
            snprintf(error, size,
                     "the known_hosts file %s cannot be read: %s; without it no host key can be "
                     "verified",
                     file->path, wrong);
            return false;
        }
    }
    files->revoked.path = upstream->revoked_host_keys;
    wrong = files->revoked.path != NULL ? read_known_file(&files->revoked) : NULL;
    if (wrong != NULL)
        snprintf(error, size,
                 "the file of revoked host keys %s cannot be read: %s; without it no host key is "
                 "believed",
                 files->revoked.path, wrong);
    return wrong == NULL;
}

void host_key_files_clear_command(struct host_key_files *files)
{
    struct known_hosts_file *file = &files->known[files->known_count];

    free((char *)file->path);
    free((char *)file->bytes);
    *file = (struct known_hosts_file){0};
}

void host_key_files_clear(struct host_key_files *files)
{
    if (files->known != NULL) {
        host_key_files_clear_command(files);
        for (size_t i = 0; i < files->known_count; i++)
            free((char *)files->known[i].bytes);
    }
    free(files->known);
    free((char *)files->revoked.bytes);
    *files = (struct host_key_files){0};
}

/* ---- writing */

static int open_to_write(const char *path)
{
    return open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
}

/* Opens the file, creating what is missing; -1 with errno. */
static int open_first(const char *path)
{
    int fd = open_to_write(path);
    const char *slash = strrchr(path, '/');
    char *directory;

    if (fd >= 0 || errno != ENOENT || slash == NULL)
        return fd;
    directory = mem_strndup(path, (size_t)(slash - path));
    if (mkdir(directory, 0700) == 0 || errno == EEXIST)
        fd = open_to_write(path);
    free(directory);
    return fd;
}

/* 0 or an error of errno(3). */
static int lock_file(int fd, int line)
{
    struct wait_limit limit = wait_limit(line, LOCK_MS);

    for (;;) {
        struct wait_limit look = wait_limit(line, LOCK_LOOK_MS);
        int error;

        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return errno;
        error = wait_for(-1, 0, &look);
        if (error != ETIMEDOUT)
            return error;
        if (clock_now() >= limit.until)
            return ETIMEDOUT;
    }
}

/* Appends the line in whole or not at all: 0 or an error of errno(3). `length` is that of the file
 * so far. */
static int append_line(int fd, size_t length, const char *line)
{
    size_t size = strlen(line);
    ssize_t n = write(fd, line, size);
    int error = n < 0 ? errno : ENOSPC;

    if (n == (ssize_t)size)
        return 0;
    if (n > 0 && ftruncate(fd, (off_t)length) != 0)
        error = errno;
    return error;
}

/* The line to add, after the end of a last line that has none. NULL: there can be none. */
static char *line_to_add(const struct known_hosts *known, const struct public_key *key, bool hash)
{
    const struct known_hosts_file *file = &known->files[0];
    bool unended = file->length > 0 && file->bytes[file->length - 1] != '\n';
    uint8_t salt[KNOWN_HOSTS_SALT_LENGTH];
    char *line;
    char *whole;

    if (hash && RAND_bytes(salt, sizeof(salt)) != 1)
        return NULL;
    line = known_hosts_line(known, key, hash ? salt : NULL);
    whole = line != NULL ? mem_printf("%s%s", unended ? "\n" : "", line) : NULL;
    free(line);
    return whole;
}

/* With the lock held, and the file as it is now. */
static enum host_key_stored add_line(int fd, const struct known_hosts *known,
                                     const struct public_key *key, bool hash,
                                     char error[static 200])
{
    struct known_hosts_answer answer;
    enum known_hosts_verdict verdict;
    char *line;
    int number;

    known_hosts_look_up(known, key, &answer);
    verdict = answer.verdict;
    snprintf(error, 200, "%s says otherwise by now", answer.place != NULL ? answer.place : "");
    known_hosts_answer_clear(&answer);
    if (verdict != KNOWN_HOSTS_UNKNOWN)
        return verdict == KNOWN_HOSTS_MATCH ? HOST_KEY_KNOWN_BY_NOW : HOST_KEY_REFUSED_BY_NOW;
    line = line_to_add(known, key, hash);
    if (line == NULL) {
        snprintf(error, 200, "a line cannot be written for the name '%.100s'", known->name);
        return HOST_KEY_NOT_STORED;
    }
    number = append_line(fd, known->files[0].length, line);
    free(line);
    if (number == 0)
        return HOST_KEY_STORED;
    snprintf(error, 200, "%s", strerror(number));
    return HOST_KEY_NOT_STORED;
}

/* Reads the file again, as other processes write to it too, and adds the line. */
static enum host_key_stored update(int fd, const struct known_hosts *known,
                                   const struct public_key *key, bool hash, char error[static 200])
{
    struct known_hosts_file *files = mem_zalloc(known->file_count * sizeof(*files));
    struct known_hosts now = *known;
    struct buffer bytes = {0};
    enum host_key_stored stored = HOST_KEY_UNREADABLE;
    const char *wrong = descriptor_read(fd, FILE_MAX, FILE_REGULAR_OR_EMPTY, &bytes);

    if (wrong != NULL) {
        snprintf(error, 200, "%s", wrong);
    } else {
        memcpy(files, known->files, known->file_count * sizeof(*files));
        keep_bytes(&files[0], &bytes);
        now.files = files;
        stored = add_line(fd, &now, key, hash, error);
        free((char *)files[0].bytes);
    }
    buffer_clear(&bytes);
    free(files);
    return stored;
}

/* Whether the path still leads to the open file: ssh-keygen -R and UpdateHostKeys put a new file in
 * its place. */
static bool is_in_place(int fd, const char *path)
{
    struct stat opened, there;

    return fstat(fd, &opened) == 0 && stat(path, &there) == 0 && opened.st_dev == there.st_dev &&
           opened.st_ino == there.st_ino;
}

/* Opens the file, locked; -1: `error` says why. */
static int open_locked(const char *path, int line, char error[static 200])
{
    for (int i = 0; i < REPLACED_TRIES; i++) {
        int fd = open_first(path);
        int number = fd < 0 ? errno : lock_file(fd, line);
        if (number == 0 && is_in_place(fd, path))
            return fd;
        snprintf(error, 200, "%s%s", fd >= 0 ? "no lock: " : "",
                 number != 0 ? strerror(number) : "it is replaced again and again");
        if (fd >= 0)
            close(fd);
        if (number != 0)
            return -1;
    }
    return -1;
}

enum host_key_stored host_key_store(const struct known_hosts *known, const struct public_key *key,
                                    bool hash, int line, char error[static 200])
{
    enum host_key_stored stored;
    int fd;

    if (known->file_count == 0 || known->files[0].is_printed) {
        snprintf(error, 200, "there is no known_hosts file to write to");
        return HOST_KEY_NOT_STORED;
    }
    fd = open_locked(known->files[0].path, line, error);
    if (fd < 0)
        return HOST_KEY_NOT_STORED;
    stored = update(fd, known, key, hash, error);
    close(fd); /* and the lock with it */
    return stored;
}
