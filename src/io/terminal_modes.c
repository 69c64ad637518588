/* termios(3) by the numbers of RFC 4254 section 8. */
#include "io/terminal_modes.h"

#include "base/ssh_bytes.h"

#include <termios.h>
#include <unistd.h>

enum { MODES_END = 0, MODE_IUTF8 = 42, MODE_ISPEED = 128, MODE_OSPEED = 129 };
#define CHARACTER_NONE 255

/* In the order of OpenSSH's ttymodes.h. */
static const struct {
    uint8_t number;
    uint8_t place; /* in c_cc */
} mode_characters[] = {
    {1, VINTR},     {2, VQUIT},    {3, VERASE},  {4, VKILL},     {5, VEOF},
    {6, VEOL},      {7, VEOL2},    {8, VSTART},  {9, VSTOP},     {10, VSUSP},
    {12, VREPRINT}, {13, VWERASE}, {14, VLNEXT}, {18, VDISCARD},
};

enum flag_word { INPUT_FLAG, LOCAL_FLAG, OUTPUT_FLAG, CONTROL_FLAG };

static const struct {
    uint8_t number;
    uint8_t word; /* enum flag_word */
    tcflag_t flag;
} mode_flags[] = {
    {30, INPUT_FLAG, IGNPAR},        {31, INPUT_FLAG, PARMRK},   {32, INPUT_FLAG, INPCK},
    {33, INPUT_FLAG, ISTRIP},        {34, INPUT_FLAG, INLCR},    {35, INPUT_FLAG, IGNCR},
    {36, INPUT_FLAG, ICRNL},         {37, INPUT_FLAG, IUCLC},    {38, INPUT_FLAG, IXON},
    {39, INPUT_FLAG, IXANY},         {40, INPUT_FLAG, IXOFF},    {41, INPUT_FLAG, IMAXBEL},
    {MODE_IUTF8, INPUT_FLAG, IUTF8}, {50, LOCAL_FLAG, ISIG},     {51, LOCAL_FLAG, ICANON},
    {52, LOCAL_FLAG, XCASE},         {53, LOCAL_FLAG, ECHO},     {54, LOCAL_FLAG, ECHOE},
    {55, LOCAL_FLAG, ECHOK},         {56, LOCAL_FLAG, ECHONL},   {57, LOCAL_FLAG, NOFLSH},
    {58, LOCAL_FLAG, TOSTOP},        {59, LOCAL_FLAG, IEXTEN},   {60, LOCAL_FLAG, ECHOCTL},
    {61, LOCAL_FLAG, ECHOKE},        {62, LOCAL_FLAG, PENDIN},   {70, OUTPUT_FLAG, OPOST},
    {71, OUTPUT_FLAG, OLCUC},        {72, OUTPUT_FLAG, ONLCR},   {73, OUTPUT_FLAG, OCRNL},
    {74, OUTPUT_FLAG, ONOCR},        {75, OUTPUT_FLAG, ONLRET},  {90, CONTROL_FLAG, CS7},
    {91, CONTROL_FLAG, CS8},         {92, CONTROL_FLAG, PARENB}, {93, CONTROL_FLAG, PARODD},
};

#define CHARACTERS (sizeof(mode_characters) / sizeof(mode_characters[0]))
#define FLAGS (sizeof(mode_flags) / sizeof(mode_flags[0]))

/* Two speeds, and the end. */
_Static_assert((2 + CHARACTERS + FLAGS) * 5 + 1 <= TERMINAL_MODES_MAX,
               "there is room for all modes");

static uint32_t baud_of(speed_t speed)
{
    static const struct {
        speed_t speed;
        uint32_t baud;
    } speeds[] = {
        {B50, 50},       {B75, 75},         {B110, 110},       {B134, 134},     {B150, 150},
        {B200, 200},     {B300, 300},       {B600, 600},       {B1200, 1200},   {B1800, 1800},
        {B2400, 2400},   {B4800, 4800},     {B9600, 9600},     {B19200, 19200}, {B38400, 38400},
        {B57600, 57600}, {B115200, 115200}, {B230400, 230400},
    };

    for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
        if (speeds[i].speed == speed)
            return speeds[i].baud;
    return speed == B0 ? 0 : 9600; /* (OpenSSH's ttymodes.c) */
}

static uint8_t *put_mode(uint8_t *at, uint8_t number, uint32_t value)
{
    *at = number;
    return ssh_put_uint32(at + 1, value);
}

static tcflag_t flags_of(const struct termios *t, enum flag_word word)
{
    switch (word) {
    case INPUT_FLAG: return t->c_iflag;
    case LOCAL_FLAG: return t->c_lflag;
    case OUTPUT_FLAG: return t->c_oflag;
    case CONTROL_FLAG: return t->c_cflag;
    }
    return 0;
}

size_t terminal_modes(int fd, uint8_t modes[static TERMINAL_MODES_MAX])
{
    struct termios t;
    uint8_t *at = modes;

    if (tcgetattr(fd, &t) == 0) {
        at = put_mode(at, MODE_OSPEED, baud_of(cfgetospeed(&t)));
        at = put_mode(at, MODE_ISPEED, baud_of(cfgetispeed(&t)));
        for (size_t i = 0; i < CHARACTERS; i++) {
            cc_t c = t.c_cc[mode_characters[i].place];
            at = put_mode(at, mode_characters[i].number, c == _POSIX_VDISABLE ? CHARACTER_NONE : c);
        }
        for (size_t i = 0; i < FLAGS; i++)
            at = put_mode(at, mode_flags[i].number,
                          (flags_of(&t, (enum flag_word)mode_flags[i].word) & mode_flags[i].flag) !=
                              0);
    }
    *at++ = MODES_END;
    return (size_t)(at - modes);
}
