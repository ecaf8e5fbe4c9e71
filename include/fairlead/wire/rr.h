/**
 * @file
 * Numbers of the DNS registries that the code names, and what is known of a type.
 */
#ifndef FAIRLEAD_WIRE_RR_H
#define FAIRLEAD_WIRE_RR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fl_rrtype { /* RFC 1035 3.2.2 and the IANA registry */
		 FL_TYPE_A = 1,
		 FL_TYPE_NS = 2,
		 FL_TYPE_CNAME = 5,
		 FL_TYPE_SOA = 6,
		 FL_TYPE_PTR = 12,
		 FL_TYPE_HINFO = 13,
		 FL_TYPE_MX = 15,
		 FL_TYPE_TXT = 16,
		 FL_TYPE_SIG = 24,
		 FL_TYPE_AAAA = 28,
		 FL_TYPE_SRV = 33,
		 FL_TYPE_DNAME = 39,
		 FL_TYPE_OPT = 41,
		 FL_TYPE_DS = 43,
		 FL_TYPE_RRSIG = 46,
		 FL_TYPE_NSEC = 47,
		 FL_TYPE_DNSKEY = 48,
		 FL_TYPE_NSEC3 = 50,
		 FL_TYPE_NSEC3PARAM = 51,
		 FL_TYPE_SVCB = 64,
		 FL_TYPE_HTTPS = 65,
		 FL_TYPE_TKEY = 249,
		 FL_TYPE_TSIG = 250,
		 FL_TYPE_IXFR = 251,
		 FL_TYPE_AXFR = 252,
		 FL_TYPE_MAILB = 253,
		 FL_TYPE_MAILA = 254,
		 FL_TYPE_ANY = 255
};

enum fl_class { FL_CLASS_IN = 1, FL_CLASS_CH = 3, FL_CLASS_NONE = 254, FL_CLASS_ANY = 255 };

enum fl_rcode { /* RFC 1035 4.1.1, RFC 6891 9, RFC 7873 8 */
		FL_RCODE_NOERROR = 0,
		FL_RCODE_FORMERR = 1,
		FL_RCODE_SERVFAIL = 2,
		FL_RCODE_NXDOMAIN = 3,
		FL_RCODE_NOTIMP = 4,
		FL_RCODE_REFUSED = 5,
		FL_RCODE_NOTAUTH = 9,
		FL_RCODE_BADVERS = 16,
		FL_RCODE_BADCOOKIE = 23
};

enum { /* header flag bits, second 16-bit word, RFC 1035 4.1.1 and RFC 4035 3.1.6, 3.2.2 */
       FL_FLAG_QR = 0x8000,
       FL_FLAG_OPCODE = 0x7800,
       FL_FLAG_AA = 0x0400,
       FL_FLAG_TC = 0x0200,
       FL_FLAG_RD = 0x0100,
       FL_FLAG_RA = 0x0080,
       FL_FLAG_Z = 0x0040,
       FL_FLAG_AD = 0x0020,
       FL_FLAG_CD = 0x0010,
       FL_FLAG_RCODE = 0x000F
};

enum {
	FL_HEADER_SIZE = 12,
	FL_NAME_MAX = 255, /* octets of a wire name, root label included, RFC 1035 3.1 */
	FL_LABEL_MAX = 63,
	FL_MESSAGE_MAX = 65535,
	FL_UDP_PAYLOAD = 1232, /* DNS flag day 2020; above it fragments are lost, not slow */
	FL_UDP_PLAIN = 512     /* without EDNS, RFC 1035 4.2.1 */
};

/** QTYPEs and meta types that no cache holds and no engine is asked: 0, OPT, 128..254. ANY is
 * not among them: it is handled on its own (RFC 8482). */
bool fl_rrtype_is_meta(uint16_t type);

/** RRSIG, NSEC, NSEC3: sent only to who set DO or asked for the type (RFC 4035 3.2.1). */
bool fl_rrtype_is_dnssec(uint16_t type);

/**
 * Where domain names stand in the rdata of @p type, in order: 'n' a name that
 * may be sent compressed (RFC 1035 types, RFC 3597 4), 'N' a name that must not
 * but may arrive so, a digit that many fixed octets, 's' a character-string,
 * '*' the rest. Types not listed are "*": octets for octets. Rdata that goes on
 * behind a shape without '*', or ends before it, is malformed.
 */
const char *fl_rrtype_rdata_shape(uint16_t type);

/** Mnemonic ("A", "TYPE65280") into @p buf, returned. */
const char *fl_rrtype_text(uint16_t type, char buf[static 16]);

#endif
