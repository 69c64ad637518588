/* Prompts for passwords, told from others by their words. */
#include "policy/password_prompt.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

bool password_prompt_is(const char *prompt)
{
    static const char *const otherwise[] = {"one-time", "onetime", "otp", "token", "code"};
    static const char last[] = "password:";
    size_t length = strlen(prompt);

    for (size_t i = 0; i < sizeof(otherwise) / sizeof(otherwise[0]); i++)
        if (strcasestr(prompt, otherwise[i]) != NULL)
            return false;
    while (length > 0 && isspace((unsigned char)prompt[length - 1]))
        length--;
    return strncasecmp(prompt, "passw", 5) == 0 ||
           (length >= strlen(last) &&
            strncasecmp(prompt + length - strlen(last), last, strlen(last)) == 0);
}
