/* What adit expects of libssh, and what becomes of it where that fails. */
#include "session_libssh/expectations.h"

#include "base/log.h"

#include <libssh/libssh.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { UNKNOWN, MET, FAILED };

/* Each is a fact about the process, as there is one libssh in it. */
static atomic_int states[EXPECTATIONS];

static const struct {
    const char *what; /* "libssh 0.10.6 does not ..." */
    const char *instead;
} failures[EXPECTATIONS] = {
    [EXPECT_CALLS] = {"call adit's recv(2) and poll(2)",
                      "sessions work with more system calls, hence slower"},
    [EXPECT_CREATION] = {"log the numbers of new channels as adit reads them",
                         "adit asks about each open, and may not know why one was refused"},
    [EXPECT_CONFIRMATION] = {"log confirmed channels as adit reads them",
                             "adit asks about each open, and does not notice every breach of the "
                             "protocol"},
    [EXPECT_REFUSAL] = {"log refused channels as adit reads them",
                        "adit asks about each open, and may not know why one was refused"},
    [EXPECT_REQUEST] = {"log global requests as adit reads them",
                        "adit tells them apart by the packets that are sent"},
    [EXPECT_PORT] = {"log answers to global requests as adit reads them",
                     "remote forwards and BIND with a port of the server's choice are refused"},
    [EXPECT_BREACHES] =
        {"know the log lines by which adit notices that a server breaks the protocol",
         "adit relies on its own checks"},
};

void expectation_met(enum expectation expectation)
{
    int unknown = UNKNOWN;

    if (atomic_load_explicit(&states[expectation], memory_order_relaxed) == UNKNOWN)
        atomic_compare_exchange_strong(&states[expectation], &unknown, MET);
}

void expectation_failed(enum expectation expectation)
{
    if (atomic_exchange(&states[expectation], FAILED) != FAILED)
        log_warning("libssh %s does not %s: %s", ssh_version(0), failures[expectation].what,
                    failures[expectation].instead);
}

bool expectation_is_met(enum expectation expectation)
{
    return atomic_load_explicit(&states[expectation], memory_order_relaxed) == MET;
}

bool expectation_has_failed(enum expectation expectation)
{
    return atomic_load_explicit(&states[expectation], memory_order_relaxed) == FAILED;
}

struct text_search {
    uintptr_t address;
    const char *text;
    bool found;
};

static bool segment_holds(const struct dl_phdr_info *info, int i, uintptr_t address)
{
    uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

    return info->dlpi_phdr[i].p_type == PT_LOAD && address >= begin &&
           address - begin < info->dlpi_phdr[i].p_memsz;
}

static bool segment_has(const struct dl_phdr_info *info, int i, const char *text)
{
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    const void *begin = (const void *)(info->dlpi_addr + segment->p_vaddr);

    return segment->p_type == PT_LOAD && (segment->p_flags & (PF_R | PF_W)) == PF_R &&
           memmem(begin, segment->p_filesz, text, strlen(text)) != NULL;
}

static int search_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct text_search *search = arg;
    bool holds = false;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        holds |= segment_holds(info, i, search->address);
    for (int i = 0; holds && i < info->dlpi_phnum; i++)
        search->found |= segment_has(info, i, search->text);
    return holds; /* (ends the search) */
}

bool object_has_text(const void *address, const char *text)
{
    struct text_search search = {.address = (uintptr_t)address, .text = text};

    dl_iterate_phdr(search_object, &search);
    return search.found;
}
