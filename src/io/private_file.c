/* Reading files of keys. */
#include "io/private_file.h"

#include "base/mem.h"
#include "io/whole.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_MAX_BYTES ((size_t)1024 * 1024)

bool private_file_is_plain(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode) &&
           (size_t)info.st_size <= SIZE_MAX_BYTES;
}

const char *private_file_read(const char *path, struct buffer *text)
{
    const char *wrong = file_read(path, SIZE_MAX_BYTES, FILE_REGULAR, text);

    if (wrong != NULL)
        return wrong;
    if (buffer_length(text) > 0) {
        buffer_append_secret(text, "", 1);
        return NULL;
    }
    errno = 0;
    return "The file is empty";
}

char *private_file_exposure(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0 || info.st_uid != getuid() || (info.st_mode & 077) == 0)
        return NULL;
    return mem_printf("is not used: its permissions %04o are too open, others may read it: `chmod "
                      "go= %s` mends that",
                      info.st_mode & 0777, path);
}
