#include "fairlead/wire/rr.h"

#include <stdio.h>
#include <stdlib.h>

struct rrtype {
	uint16_t type;
	const char *text;
	const char *shape; /* NULL: "*" */
};

/* Sorted by number. Shapes: RFC 1035 3.3 and RFC 3597 4, which lists those that
 * early senders compressed though they are not of RFC 1035. A SOA's two names are
 * followed by five 32-bit numbers; a SIG's signer by the signature. RRSIG, NSEC,
 * SVCB and whatever is younger than RFC 3597 holds names that never are compressed. */
static const struct rrtype types[] = {
	{ 1, "A", NULL },        { 2, "NS", "n" },           { 3, "MD", "n" },
	{ 4, "MF", "n" },        { 5, "CNAME", "n" },        { 6, "SOA", "nn992" },
	{ 7, "MB", "n" },        { 8, "MG", "n" },           { 9, "MR", "n" },
	{ 10, "NULL", NULL },    { 11, "WKS", NULL },        { 12, "PTR", "n" },
	{ 13, "HINFO", NULL },   { 14, "MINFO", "nn" },      { 15, "MX", "2n" },
	{ 16, "TXT", NULL },     { 17, "RP", "NN" },         { 18, "AFSDB", "2N" },
	{ 19, "X25", NULL },     { 20, "ISDN", NULL },       { 21, "RT", "2N" },
	{ 22, "NSAP", NULL },    { 23, "NSAP-PTR", "N" },    { 24, "SIG", "99N*" },
	{ 25, "KEY", NULL },     { 26, "PX", "2NN" },        { 27, "GPOS", NULL },
	{ 28, "AAAA", NULL },    { 29, "LOC", NULL },        { 30, "NXT", "N*" },
	{ 33, "SRV", "6N" },     { 35, "NAPTR", "4sssN" },   { 36, "KX", "2N" },
	{ 37, "CERT", NULL },    { 38, "A6", NULL },         { 39, "DNAME", "N" },
	{ 41, "OPT", NULL },     { 42, "APL", NULL },        { 43, "DS", NULL },
	{ 44, "SSHFP", NULL },   { 45, "IPSECKEY", NULL },   { 46, "RRSIG", NULL },
	{ 47, "NSEC", NULL },    { 48, "DNSKEY", NULL },     { 49, "DHCID", NULL },
	{ 50, "NSEC3", NULL },   { 51, "NSEC3PARAM", NULL }, { 52, "TLSA", NULL },
	{ 53, "SMIMEA", NULL },  { 55, "HIP", NULL },        { 59, "CDS", NULL },
	{ 60, "CDNSKEY", NULL }, { 61, "OPENPGPKEY", NULL }, { 62, "CSYNC", NULL },
	{ 63, "ZONEMD", NULL },  { 64, "SVCB", NULL },       { 65, "HTTPS", NULL },
	{ 99, "SPF", NULL },     { 104, "NID", NULL },       { 105, "L32", NULL },
	{ 106, "L64", NULL },    { 107, "LP", "2N" },        { 108, "EUI48", NULL },
	{ 109, "EUI64", NULL },  { 128, "NXNAME", NULL },    { 249, "TKEY", NULL },
	{ 250, "TSIG", NULL },   { 251, "IXFR", NULL },      { 252, "AXFR", NULL },
	{ 253, "MAILB", NULL },  { 254, "MAILA", NULL },     { 255, "ANY", NULL },
	{ 256, "URI", NULL },    { 257, "CAA", NULL },       { 32768, "TA", NULL },
	{ 32769, "DLV", NULL },
};

static int by_type(const void *key, const void *element)
{
	const int type = *(const uint16_t *)key;
	return type - ((const struct rrtype *)element)->type;
}

static const struct rrtype *find(uint16_t type)
{
	return bsearch(&type, types, sizeof(types) / sizeof(types[0]), sizeof(types[0]),
		       by_type);
}

bool fl_rrtype_is_meta(uint16_t type)
{
	return type == 0 || type == FL_TYPE_OPT ||
	       (type >= 128 && type < FL_TYPE_ANY); /* RFC 6895 3.1: Q and meta types */
}

bool fl_rrtype_is_dnssec(uint16_t type)
{
	return type == FL_TYPE_RRSIG || type == FL_TYPE_NSEC || type == FL_TYPE_NSEC3;
}

const char *fl_rrtype_rdata_shape(uint16_t type)
{
	const struct rrtype *t = find(type);
	return t != NULL && t->shape != NULL ? t->shape : "*";
}

const char *fl_rrtype_text(uint16_t type, char buf[static 16])
{
	const struct rrtype *t = find(type);
	if (t != NULL) {
		snprintf(buf, 16, "%s", t->text);
	} else {
		snprintf(buf, 16, "TYPE%u", (unsigned)type); /* RFC 3597 5 */
	}
	return buf;
}
