/* Names of other alphabets. */
#include "base/idna.h"

#include <string.h>

#ifdef HAVE_LIBIDN2
#include <idn2.h>
#endif

bool idna_is_ascii(const char *name)
{
    for (; *name != '\0'; name++)
        if ((unsigned char)*name >= 0x80)
            return false;
    return true;
}

#ifdef HAVE_LIBIDN2

bool idna_to_ascii(const char *name, char ascii[static HOST_MAX + 1])
{
    char *converted = NULL;
    bool fits;

    if (idn2_to_ascii_8z(name, &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return false;
    fits = strlen(converted) <= HOST_MAX && idna_is_ascii(converted);
    if (fits)
        strcpy(ascii, converted);
    idn2_free(converted);
    return fits;
}

const char *idna_refusal(void)
{
    return "is not ASCII and has no ASCII form as a name (IDNA)";
}

#else

bool idna_to_ascii(const char *name, char ascii[static HOST_MAX + 1])
{
    (void)name;
    (void)ascii;
    return false;
}

const char *idna_refusal(void)
{
    return "is not ASCII, which needs an adit with libidn2: write its ASCII form, which begins "
           "with "
           "xn--";
}

#endif
