/* The costs that hashes of crypt(5) name. */
#include "policy/hash_cost.h"

#include <stdlib.h>
#include <string.h>

#define BCRYPT_MAX 17 /* htpasswd(1), -C */
#define ROUNDS_MAX 2000000

/* The digits of crypt(5) are in the order of ASCII, so that a digit is bounded by another. */

/* "j9T": the flavour, the binary logarithm of N, and r. crypt_gensalt(3) makes "j75" to "jFT", of
 * which the last takes a GiB. */
static bool is_bearable_yescrypt(const char *parameters)
{
    return strcspn(parameters, "$") == 3 && parameters[0] == 'j' && parameters[1] <= 'F' &&
           parameters[2] <= 'T';
}

/* "CU..../....": the binary logarithm of N, and r and p with five digits each, the smallest first.
 * crypt_gensalt(3) makes N from 'B' to 'G', an r of 32 and a p of 1. */
static bool is_bearable_scrypt(const char *parameters)
{
    return strcspn(parameters, "$") >= 11 && parameters[0] <= 'G' && parameters[1] <= 'U' &&
           strncmp(parameters + 2, "..../....", 9) == 0;
}

static bool is_bearable_number(const char *number, unsigned long most)
{
    return strtoul(number, NULL, 10) <= most;
}

/* "rounds=N$", or a default that is small. */
static bool are_bearable_rounds(const char *parameters)
{
    static const char rounds[] = "rounds=";

    return strncmp(parameters, rounds, sizeof(rounds) - 1) != 0 ||
           is_bearable_number(parameters + sizeof(rounds) - 1, ROUNDS_MAX);
}

/* What follows a prefix, or NULL. */
static const char *behind(const char *hash, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(hash, prefix, length) == 0 ? hash + length : NULL;
}

bool hash_cost_is_bearable(const char *hash)
{
    const char *parameters;

    if ((parameters = behind(hash, "$y$")) != NULL || (parameters = behind(hash, "$gy$")) != NULL)
        return is_bearable_yescrypt(parameters);
    if ((parameters = behind(hash, "$7$")) != NULL)
        return is_bearable_scrypt(parameters);
    if (hash[0] == '$' && hash[1] == '2')
        return is_bearable_number(strchrnul(hash + 1, '$') + 1, BCRYPT_MAX);
    if ((parameters = behind(hash, "$5$")) != NULL || (parameters = behind(hash, "$6$")) != NULL ||
        (parameters = behind(hash, "$md5,")) != NULL)
        return are_bearable_rounds(parameters);
    parameters = behind(hash, "$sha1$");
    return parameters == NULL || is_bearable_number(parameters, ROUNDS_MAX);
}
