// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "screen.h"

struct screen screen_now(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return (struct screen) { 0, 0 };
	return (struct screen) { size.ws_row, size.ws_col };
}

unsigned int lines_of(const char *text)
{
	unsigned int count = 0;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

/* The length of the colour that begins here; 0: none does. */
static size_t colour_at(const char *text)
{
	size_t length;

	if (strncmp(text, "\033[", 2))
		return 0;
	length = 2 + strspn(text + 2, "0123456789;");
	return text[length] == 'm' ? length + 1 : 0;
}

/* What is too far to the right is left out, but not a colour: it may be the end of one. */
static const char *print_line(const struct screen *screen, const char *text)
{
	unsigned int column = 0;

	while (*text && *text != '\n') {
		size_t colour = colour_at(text), length = colour ? colour : 1;

		if (colour || !screen->columns || column < screen->columns)
			fwrite(text, 1, length, stdout);
		column += !colour;
		text += length;
	}
	putchar('\n');
	return *text ? text + 1 : text;
}

void screen_print(const struct screen *screen, const char *text, unsigned int most)
{
	while (*text && most--)
		text = print_line(screen, text);
}
