/* Forwards in words. */
#include "conf/forward_words.h"

#include <stdlib.h>

void forward_words_free(struct forward_words *forwards, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(forwards[i].kind);
        free(forwards[i].spec);
        free(forwards[i].via);
        free(forwards[i].name);
    }
    free(forwards);
}
