/* memfd_create(2) with seals. */
#include "io/memory_file.h"

#include "base/mem.h"
#include "io/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

int memory_file_new(const char *name, const void *bytes, size_t length)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int error = fd < 0 ? errno : write_whole(fd, bytes, length);

    if (error == 0 &&
        (lseek(fd, 0, SEEK_SET) != 0 ||
         fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0))
        error = errno;
    if (error == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

bool memory_file_bytes(int fd, struct buffer *bytes)
{
    return descriptor_read(fd, SIZE_MAX - 1, FILE_REGULAR, bytes) == NULL;
}

char *memory_file_text(int fd)
{
    struct buffer bytes = {0};
    char *text = NULL;

    if (memory_file_bytes(fd, &bytes))
        text = mem_strndup((const char *)buffer_data(&bytes), buffer_length(&bytes));
    buffer_wipe(&bytes);
    return text;
}
