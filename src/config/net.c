/* Scalars that are addresses. */
#include "schema.h"

#include <inttypes.h>
#include <string.h>

static enum fl_err endpoint_read(const struct fl__config_key *k, const char *text, void *to)
{
	return fl_addr_parse(text, k->port, to) == FL_OK ? FL_OK : FL_EINVALID;
}

static void endpoint_write(const struct fl__config_key *k, const void *from, FILE *out)
{
	char buf[FL_ADDR_TEXT_MAX];

	(void)k;
	fl__config_write_text(fl_addr_format(from, buf), out);
}

static void endpoint_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	snprintf(buf, FL__EXPECTED_MAX, "an address@port such as 192.0.2.1@%u or 2001:db8::1",
		 (unsigned)k->port);
}

static void endpoint_json(const struct fl__config_key *k, FILE *out)
{
	(void)k;
	fputs("\"type\": \"string\", \"pattern\": "
	      "\"^[0-9A-Fa-f:.]+(%[^@%]+)?(@[1-9][0-9]{0,4})?$\"",
	      out);
}

const struct fl__config_scalar fl__config_endpoint = { endpoint_read, endpoint_write, NULL,
						       endpoint_describe, endpoint_json };

static enum fl_err address_read(const struct fl__config_key *k, const char *text, void *to)
{
	(void)k;
	return strchr(text, '@') == NULL && fl_addr_parse(text, 0, to) == FL_OK ? FL_OK
										: FL_EINVALID;
}

static void address_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	(void)k;
	strcpy(buf, "an address such as 192.0.2.1 or 2001:db8::1, without a port");
}

static void address_json(const struct fl__config_key *k, FILE *out)
{
	(void)k;
	fputs("\"type\": \"string\", \"pattern\": \"^[0-9A-Fa-f:.]+(%[^@%]+)?$\"", out);
}

const struct fl__config_scalar fl__config_address = { address_read, endpoint_write, NULL,
						      address_describe, address_json };

static enum fl_err prefix_read(const struct fl__config_key *k, const char *text, void *to)
{
	(void)k;
	return fl_prefix_parse(text, to) == FL_OK ? FL_OK : FL_EINVALID;
}

static void prefix_write(const struct fl__config_key *k, const void *from, FILE *out)
{
	char buf[FL_ADDR_TEXT_MAX];

	(void)k;
	fl__config_write_text(fl_prefix_format(from, buf), out);
}

static void prefix_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	(void)k;
	strcpy(buf, "an address or a prefix such as 10.0.0.0/8, the bits below it zero");
}

static void prefix_json(const struct fl__config_key *k, FILE *out)
{
	(void)k;
	fputs("\"type\": \"string\", \"pattern\": \"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$\"", out);
}

const struct fl__config_scalar fl__config_prefix = { prefix_read, prefix_write, NULL,
						     prefix_describe, prefix_json };
