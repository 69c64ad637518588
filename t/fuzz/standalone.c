/* Runs a fuzz target over its corpus where there is no libFuzzer: one line of TAP a file. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;
static const char *input; /* the path of the input that runs */

/* A target aborts when a property does not hold; its message does not say for which input. */
static void name_the_input(int number)
{
    fprintf(stderr, "# with %s\n", input);
    signal(number, SIG_DFL);
    raise(number);
}

static void cannot(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    exit(1);
}

static void run_file(const char *path, size_t size)
{
    FILE *in = fopen(path, "rb");
    uint8_t *data =
        malloc(size ? size : 1); /* exactly its size, so that reading past its end shows */
    if (!in || !data || fread(data, 1, size, in) != size)
        cannot(path);
    fclose(in);
    input = path;
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    printf("ok %u - %s\n", ++inputs, path);
}

/* A file, or everything in a directory, by name, so that two runs say the same. */
static void run(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        cannot(path);
    if (!S_ISDIR(status.st_mode)) {
        run_file(path, (size_t)status.st_size);
        return;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        cannot(path);
    for (int i = 0; i < count; i++) {
        char *below;
        if (entries[i]->d_name[0] != '.') {
            if (asprintf(&below, "%s/%s", path, entries[i]->d_name) < 0)
                cannot(path);
            run(below);
            free(below);
        }
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    signal(SIGABRT, name_the_input);
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    printf("1..%u\n", inputs);
    return inputs ? 0 : 1;
}
