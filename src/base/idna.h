/* Internationalised names (IDNA2008 with the mapping of UTS 46, RFC 5891) by libidn2, if adit is
 * built with it. Pure; any thread. */
#ifndef ADIT_BASE_IDNA_H
#define ADIT_BASE_IDNA_H

#include "base/hostport.h"

#include <stdbool.h>

/* Whether all of it is ASCII, so that there is nothing to convert. */
bool idna_is_ascii(const char *name);

/* Puts the ASCII form (xn--...) of a UTF-8 name into `ascii`. False: it has none (or one longer
 * than HOST_MAX), or adit is built without libidn2; then `ascii` is left alone. Both may be the
 * same. */
bool idna_to_ascii(const char *name, char ascii[static HOST_MAX + 1]);

/* Why a name that idna_to_ascii does not convert is refused, to be read behind the name. */
const char *idna_refusal(void);

#endif
