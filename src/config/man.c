/* fairlead.conf(5), the keys from the table. */
#include "schema.h"

#include <string.h>

/* Text as roff shows it unchanged: hyphens that copy as hyphens, quotes that stay straight. */
static void put(const char *text, FILE *out)
{
	static const struct {
		char c;
		const char *roff;
	} special[] = {
		{ '\\', "\\e" },  { '-', "\\-" },   { '\'', "\\(aq" },
		{ '`', "\\(ga" }, { '^', "\\(ha" }, { '~', "\\(ti" },
	};

	for (const char *c = text; *c != '\0'; c++) {
		const char *roff = NULL;
		for (size_t i = 0; i < FL_COUNT(special); i++) {
			roff = special[i].c == *c ? special[i].roff : roff;
		}
		if (roff != NULL) {
			fputs(roff, out);
		} else {
			putc(*c, out);
		}
	}
}

/* A line of its own; one that begins with a full stop would be a request. */
static void put_line(const char *text, FILE *out)
{
	fputs(text[0] == '.' ? "\\&" : "", out);
	put(text, out);
	putc('\n', out);
}

static const char intro[] =
	"is what fairleadd(8) reads at start and at a reload. "
	"It is a YAML file of keys and values, read strictly: a key that is unknown or given "
	"twice, a "
	"value of the wrong kind, out of its range or in an unknown unit is an error, "
	"said with file, line and column, and then nothing of the file is used. "
	"Every key has a default, so that an empty file serves the machine itself and private "
	"networks "
	"on the loopback addresses, port 53.";

static const char *const syntax[] = {
	"One document of mappings, lists and single values in spaces, UTF-8, at most 1 MiB and "
	"eight levels "
	"deep. Anchors, aliases, tags and tabs are refused, and control characters even where "
	"escaped.",
	"Yes or no: yes, no, true or false.",
	"Sizes are whole numbers with one of the units B, KiB, MiB, GiB, TiB (powers of 1024), "
	"KB, MB, GB and TB "
	"(powers of 1000). Times are whole numbers with s, m, h or d. A bare 0 needs no unit.",
	"Addresses are written as 192.0.2.1@53 or \"2001:db8::1@53\", a link-local one with "
	"its interface as "
	"\"fe80::1%eth0@53\". What begins with a colon needs quotes in YAML, and so does what "
	"holds one "
	"inside brackets or braces.",
	"Domain names end at the root, with or without the last full stop.",
	"Paths are absolute; only include takes relative ones.",
	"cache.size stands for the key size inside the mapping cache.",
};

static void print_default(const struct fl__config_key *k, FILE *out)
{
	if (k->shape == FL__GROUP) {
		return;
	}
	fputs("Default: ", out);
	if (k->required) {
		fputs("none, it must be given", out);
	} else {
		put(k->shown != NULL ? k->shown : k->fallback, out);
	}
	fputs(".\n", out);
}

static void print_key(const struct fl__config_key *k, FILE *out)
{
	char value[FL__EXPECTED_MAX];

	fl__config_describe(k, value);
	fputs(".TP\n.B ", out);
	put_line(k->path, out);
	put_line(k->help, out);
	if (k->shape == FL__GROUP) {
		return;
	}
	fputs(".br\nValue: ", out);
	put(value, out);
	fputs(".\n.br\n", out);
	print_default(k, out);
	fprintf(out, ".br\nA change takes effect with a %s.\n",
		k->restart ? "restart" : "reload");
}

static void print_syntax(FILE *out)
{
	fputs(".SH SYNTAX\n", out);
	for (size_t i = 0; i < FL_COUNT(syntax); i++) {
		fputs(i > 0 ? ".PP\n" : "", out);
		put_line(syntax[i], out);
	}
}

static void print_tail(FILE *out)
{
	fputs(".SH EXAMPLES\nA resolver for two networks, with a larger cache:\n.PP\n.nf\n.RS "
	      "4\n",
	      out);
	put_line("listen: [192.0.2.53@53, \"2001:db8::53@53\"]", out);
	put_line("access: {allow: [127.0.0.0/8, 192.0.2.0/24, \"2001:db8::/32\"]}", out);
	put_line("cache: {size: 4GiB}", out);
	fputs(".RE\n.fi\n.PP\nNames of the house from its own servers:\n.PP\n.nf\n.RS 4\n",
	      out);
	put_line("resolver:", out);
	put_line("  stub-zones:", out);
	put_line("    - {name: corp.example, servers: [192.0.2.1, 192.0.2.2]}", out);
	fputs(".RE\n.fi\n.SH FILES\n.TP\n.I /etc/fairlead/fairlead.yaml\nThe file that is read "
	      "unless "
	      "another is named.\n.SH SEE ALSO\n.BR fairleadd (8),\n.BR fairleadctl (1),\n"
	      ".BR unbound.conf (5)\n",
	      out);
}

void fl_config_print_man(FILE *out)
{
	fputs(".TH FAIRLEAD.CONF 5 \"\" \"Fairlead " FL_VERSION "\" \"Fairlead\"\n"
	      ".SH NAME\nfairlead.conf \\- configuration of the Fairlead resolver\n"
	      ".SH DESCRIPTION\n.B fairlead.yaml\n",
	      out);
	put_line(intro, out);
	print_syntax(out);
	fputs(".SH KEYS\n", out);
	for (size_t i = 0; i < fl__config_n_keys; i++) {
		print_key(&fl__config_keys[i], out);
	}
	print_tail(out);
}
