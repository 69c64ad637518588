/* Classes of service by the names of ssh_config(5), IPQoS. */
#include "conf/types.h"

#include "base/mem.h"
#include "conf/stores.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The byte of IPv4's type of service and IPv6's traffic class: RFC 2474, RFC 2597 (af), RFC 3246
 * (ef), RFC 5865 (va), RFC 8622 (le); RFC 1349 for the last three, which OpenSSH 10.1 knows no
 * more. A socket has 0 where nothing is set, so that "none" and "cs0" are the same. */
static const struct qos_class {
    const char *name;
    unsigned byte;
} qos_classes[] = {
    {"none", 0},          {"af11", 0x28},        {"af12", 0x30}, {"af13", 0x38}, {"af21", 0x48},
    {"af22", 0x50},       {"af23", 0x58},        {"af31", 0x68}, {"af32", 0x70}, {"af33", 0x78},
    {"af41", 0x88},       {"af42", 0x90},        {"af43", 0x98}, {"cs0", 0x00},  {"cs1", 0x20},
    {"cs2", 0x40},        {"cs3", 0x60},         {"cs4", 0x80},  {"cs5", 0xa0},  {"cs6", 0xc0},
    {"cs7", 0xe0},        {"ef", 0xb8},          {"le", 0x04},   {"va", 0xb0},   {"lowdelay", 0x10},
    {"throughput", 0x08}, {"reliability", 0x04},
};

#define QOS_CLASSES (sizeof(qos_classes) / sizeof(qos_classes[0]))

static bool qos_parse(struct key_slot slot, struct key_input *in)
{
    char *end;

    for (size_t i = 0; i < QOS_CLASSES; i++) {
        if (strcasecmp(qos_classes[i].name, in->text) == 0) {
            *(unsigned *)slot.field = qos_classes[i].byte;
            return true;
        }
    }
    if (in->text[0] < '0' || in->text[0] > '9')
        return false;
    unsigned long byte = strtoul(in->text, &end, 0); /* (ssh -G prints "0x24".) */
    if (*end != '\0' || byte > 255)
        return false;
    *(unsigned *)slot.field = (unsigned)byte;
    return true;
}

static char *qos_print(struct key_slot slot)
{
    unsigned byte = *(unsigned *)slot.field;

    for (size_t i = 0; i < QOS_CLASSES; i++) {
        if (qos_classes[i].byte == byte)
            return mem_strdup(qos_classes[i].name);
    }
    return mem_printf("0x%02x", byte);
}

const struct key_type type_qos = {
    .metavar = "class",
    .form = "a class of IPQoS (af11 to af43, cs0 to cs7, ef, le, va, lowdelay, throughput, "
            "reliability), a number from 0 to 255, or none",
    .parse = qos_parse,
    .print = qos_print,
    .store = &store_unsigned,
};
