/* Distance between words (optimal string alignment). */
#include "base/nearest.h"

#include <string.h>

#define WORD_MAX 31 /* longer words are near to nothing */

/* How many letters must be put in, taken out, changed or swapped with their neighbour to make one
 * word the other; `none` if one of them is too long. */
static size_t edit_distance(const char *a, const char *b, size_t none)
{
    size_t rows[3][WORD_MAX + 1];
    size_t width = strlen(b);

    if (width > WORD_MAX || strlen(a) > WORD_MAX)
        return none;
    for (size_t j = 0; j <= width; j++)
        rows[0][j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[strlen(a) % 3][width];
}

struct nearest nearest_to(const char *word)
{
    return (struct nearest){.word = word, .distance = strlen(word) / 3 + 1};
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
    size_t distance = edit_distance(nearest->word, candidate, nearest->distance);

    if (distance >= nearest->distance)
        return;
    nearest->best = candidate;
    nearest->distance = distance;
}
