/*
 * Verifiers that PostgreSQL 15 made with CREATE ROLE ... PASSWORD.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef SCRAM_VECTORS_H
#define SCRAM_VECTORS_H


#include "neon_scram.h"


typedef struct {
    const char       *name;
    neon_rc_e         verify;         /* NEON_AGAIN: beyond our SASLprep */
    size_t            repeat;         /* of the text */
    neon_str_t        text;
    const char       *verifier;
} scram_vector_t;


static const scram_vector_t  scram_vectors[] = {

    { "a space", NEON_OK, 1,
      neon_string(" "),
      "SCRAM-SHA-256$4096:nSe0vNw3qMHgz9RXlUWG3g==$"
      "vmq1ClhS8AgKKt8OMGcaPc7hMWiv7o3hmzocsVvyFjE=:"
      "XxP/Vcg5bjuQowswayNQAt4H1BEA2XIKqGTMBrgXeiQ=" },

    { "one letter", NEON_OK, 1,
      neon_string("a"),
      "SCRAM-SHA-256$4096:1QBnM1F0Qk185q+YIQkyXA==$"
      "iZrVMPqyGFXr8OvwWfaRjQaKeSx+c8F9nX7T7eMNe0w=:"
      "sUec5+jlqEeC1cXXTU0z+G+kpPfNLbxLBM6AVjoy1c4=" },

    { "ASCII", NEON_OK, 1,
      neon_string("password_foo"),
      "SCRAM-SHA-256$4096:qmKtrLrMVke5j38Mw92O9g==$"
      "iBAkR9kOnYBbLwTtKQInPyAXaSRnYSZNASmLz/irmJs=:"
      "IFykzwVDCfXmpb+M3j367qOfT25Q0+RlFWLo11gqZyU=" },

    { "RFC 7677's", NEON_OK, 1,
      neon_string("pencil"),
      "SCRAM-SHA-256$4096:y99Ti333l97phkxyNep+Zg==$"
      "SJr5DQKaioNqGEm/nr2Fzq/tPgHHJ0FoDxRqfP5crDE=:"
      "+cF/zGjJQSud5kb1n8PZkmM0H702gLOtARbfduulLu8=" },

    { "punctuation", NEON_OK, 1,
      neon_string("%+$^&*@! ;=,"),
      "SCRAM-SHA-256$4096:BLj8F+Hnr4G8p/fR3J1ylw==$"
      "5xIBh8Ob7HTdxWIrOde73Xs+emm9JJqwCnHLtgSELMo=:"
      "b8EByeXdauXqMxVvpsmBTgFPiV4bKupWeuviHWjX0vY=" },

    { "63 bytes", NEON_OK, 63,
      neon_string("x"),
      "SCRAM-SHA-256$4096:nRo4tje5pbN7qq4ZnXWfgA==$"
      "ETc3D/8vw0VbDgZe3ubz6cpHye/Etx01osimo2yVrCg=:"
      "s7eaKJOk897YOME0t4HdChfCQTS6UpVNrgfjiNAfNbs=" },

    { "64 bytes: a block of SHA-256", NEON_OK, 64,
      neon_string("x"),
      "SCRAM-SHA-256$4096:TvfFh4urSAvyjkvaJhmaAg==$"
      "zeFO5n9Zx2Ul+evctUMC1kEYZYqheK2ku9M0+gli3pM=:"
      "mnS+P8IqIhJ/KTv3TSslWX9VggD6YSREbNbdoelVz04=" },

    { "65 bytes: hashed first by HMAC", NEON_OK, 65,
      neon_string("x"),
      "SCRAM-SHA-256$4096:GUlJYT9Y1Nv+J51xr+xZfQ==$"
      "lItWMvF9n6i+0J347u2JROFkXTWO2ms6qyTUKFmkOGo=:"
      "tFOfCiIrYY/r9Mb/fjx4iuywjWObCPxgPAjvATYgmBQ=" },

    { "1024 bytes", NEON_OK, 1024,
      neon_string("x"),
      "SCRAM-SHA-256$4096:m+ARaS1rfMAUNYnyYhWDbw==$"
      "nhOj9lOtyL1LLDsX0SldLuFioBoxdiVBVmx/QuvJq/Q=:"
      "SEKTLl6q7Nr6grKwijwsi7XPU5sKlkBI9HwZl1tSwrA=" },

    { "65535 bytes", NEON_OK, 65535,
      neon_string("x"),
      "SCRAM-SHA-256$4096:5W9tLkVH2hEdIvE+fMXIKg==$"
      "sQrYbHGzi/CN/diRPNLvYMC4HOI2gh485JGnnQ3e994=:"
      "2s+Fepwsn01slPOlXEfp5IcFTE562lTC2x4bpGzsBWc=" },

    { "accents, composed", NEON_OK, 1,
      neon_string("p\303\244ssw\303\266rd"),
      "SCRAM-SHA-256$4096:RKoedX9HL1S6OMTicbaR4g==$"
      "DDg9JE4g23TJvwVtgf/tyUJkp5fodxT66mc11D49Y4s=:"
      "xr5Euv3hBlt9DVrZcipm7kyDkr2hsApw9U/ILWLgL2Q=" },

    { "Cyrillic", NEON_OK, 1,
      neon_string("\320\277\320\260\321\200\320\276\320\273\321\214"),
      "SCRAM-SHA-256$4096:Fxj64U0clqaofyTNOAlv+A==$"
      "KO/no/tKli7RGT+hekVmtFI3dPl9/lTCMUzKDIG4Cag=:"
      "SL87JXZSNx2G4kfxJL+Cg+/m7tEkGP9tHuOOy17PAJs=" },

    { "not in Unicode 3.2: prohibited", NEON_OK, 1,
      neon_string("\360\237\224\221pw"),
      "SCRAM-SHA-256$4096:9bjyRA80ZJztpdlnyg196A==$"
      "PTZ+uyor61ArPXdNvm2bV+lrTfZlhwR5M0qu4mUrynQ=:"
      "TbuL7YDEO917K59OqMavlGje7syjp7hUfWa6FnP+CA8=" },

    { "soft hyphen: mapped to nothing", NEON_OK, 1,
      neon_string("I\302\255X"),
      "SCRAM-SHA-256$4096:v2x33g5XrHdexQqzEWx4hw==$"
      "8E/sePMv8cZozdOlknYWWs2hRlzwFXlDNg7GTmmNoik=:"
      "CCUtbLs4+sBlgjqArFrz1+/iFFiRW1WiWLQgAsWYj10=" },

    { "no-break space: mapped to a space", NEON_OK, 1,
      neon_string("a\302\240b"),
      "SCRAM-SHA-256$4096:CSiMqAYsjThdvSk3gHhLDg==$"
      "145d7K7J2QJfo8PHOKJPN8EwvFbWixTy+puiB4hiDjI=:"
      "7oNA/gWNOnJfeXDRM4EKqusZ62hFCAmpVBfNAowcDz4=" },

    { "ogham space", NEON_OK, 1,
      neon_string("a\341\232\200b"),
      "SCRAM-SHA-256$4096:xoggMVdxzy1o1aMSay8jYw==$"
      "JquI3ctYklEh+WIofVhhc9O5XRy5zA02o4Xy3YjyjL4=:"
      "32HMnWF473OfRqOutEzpzXCqkI0uEYRTkrYdKNKDfO4=" },

    { "zero width space: a space to PostgreSQL", NEON_OK, 1,
      neon_string("a\342\200\213b"),
      "SCRAM-SHA-256$4096:turlsTMQDOx0WdvoXeAGuw==$"
      "yR9J3oZnysZWI6nrVh5nupwsR/rqNyBRY/6OFoPPpD8=:"
      "OFVTI5TSPjK19lntFIUS39LO/NGGT8ml9D0vjOB7UEE=" },

    { "zero width joiner", NEON_OK, 1,
      neon_string("a\342\200\215b"),
      "SCRAM-SHA-256$4096:nJN1yXi8D5p1OwjvfKn84g==$"
      "NdDUyJT6ZPj9DMhHW80cvcRqYIyFKcM16h+1nymK7Po=:"
      "pK0VUvMge4VEWmSM+s6tmoxWOpE2d/CtY9w4Cu4fJL0=" },

    { "three more spaces", NEON_OK, 1,
      neon_string("\343\200\200a\342\201\237\342\200\257b"),
      "SCRAM-SHA-256$4096:DQx5zE/ui1c1e3a2eZ5YFg==$"
      "2Sq44K+FJ9Z4KYPk24r5CtTW44jaAH+ERtesSsrTku8=:"
      "TSVcscilAzt6CDwuT7W2xf2CbebZvfw6TWNFIVKKfo4=" },

    { "variation selector", NEON_OK, 1,
      neon_string("\342\235\244\357\270\217"),
      "SCRAM-SHA-256$4096:OKbPPOsG9tepVzbPOpN/zA==$"
      "ffy0deO9CVBHHKDzs0qjc7BNKwnbAqLFpSPObmnnpt8=:"
      "U1meZRkJ/B7wuy5IepT3/Y/uj5lkT/F+lXsuxysG6Ec=" },

    { "byte order mark", NEON_OK, 1,
      neon_string("\357\273\277pw"),
      "SCRAM-SHA-256$4096:kYtJfSw5C2pOBkeO4DWrPg==$"
      "vNgFcLgdvTfdm0+gnhdl7zbjLkzErhQ+WDCARqbnwnk=:"
      "1uG115/jvfP0aGeAVTcAr2+C/WtVNQ2olW/Nl6oACoo=" },

    { "four kinds of nothing", NEON_OK, 1,
      neon_string("a\315\217\341\240\206\341\240\213\342\201\240b"),
      "SCRAM-SHA-256$4096:/6AcBnnke0tRUEkR0gFfwQ==$"
      "v5pqPRpop2Sd/BJi6JGYd+FMxinG4fZHVNwgfG80/8Y=:"
      "ku9tY77Web+fRMWoTCvH7OUqR12OCO/DpWe8TwAoaOM=" },

    { "nothing is left of it", NEON_OK, 1,
      neon_string("\302\255"),
      "SCRAM-SHA-256$4096:cW83XzKl9wGndIl98YwB9w==$"
      "4/nN6wc+IgLxW1e3bTvKr91g+cY2pEHnS04NelpERDE=:"
      "du0RVy0qttFoInv1DM+0wh+hQ9R692pOkVkCuc35O5I=" },

    { "to map, but prohibited", NEON_OK, 1,
      neon_string("\360\237\224\221\302\255x"),
      "SCRAM-SHA-256$4096:3g+mK9dj5IrgX7cVkyNUGw==$"
      "Ogyj3szvAFe5KYsbdL3eiR23XFayohppEsH+3f9L+Yw=:"
      "3SlKcUTHM84agrXhSjE0dFh2MfACGAs0PpvTG9FNWLI=" },

    { "prohibited by direction", NEON_OK, 1,
      neon_string("\330\2471"),
      "SCRAM-SHA-256$4096:b7HfFiA4j6w3qIRX/JO7wQ==$"
      "g0P42aNQyhyBNGs+0otJ351S81HsooY+0YPn8+FOYQc=:"
      "WhppWDFXXAnjgq0ovGuZEIM/Z1kYMCzDSooIzGHh1Bc=" },

    { "to map, but prohibited by direction", NEON_OK, 1,
      neon_string("\330\2471\302\255"),
      "SCRAM-SHA-256$4096:uVvP/RIxfi1F0YxzdfhhkQ==$"
      "xaj/xFbPGleNuf10yyRwsGk9AZJ9/4SOTpFkm1hDaVM=:"
      "ihtS+Zcqi1N8Ws00G2Uluk3gKFKFo59OUNMSSgCzc4U=" },

    { "512 no-break spaces", NEON_OK, 512,
      neon_string("\302\240"),
      "SCRAM-SHA-256$4096:+mkawXBwX22vBlSVi222tA==$"
      "pcFDXH/jP7aKcJHdHtotHZtTKCRPtCLjv+VjgE1JGRc=:"
      "1tfuraVxPuzvTlLZ/y7q7O/gPAdKxXWDxXvR75ycpq0=" },

    { "1025 no-break spaces: too long to map", NEON_AGAIN, 1025,
      neon_string("\302\240"),
      "SCRAM-SHA-256$4096:VKHex0Nbfn9hURzJN3AiFA==$"
      "VYigYQoQn9FLPudOPdNKEr7Ndg4fRISGARF2DIeA9mg=:"
      "Apo14mNiHUCGhxGZgK3DcoTEsdTrUFo41pNy+Z3e1KY=" },

    { "accents, decomposed", NEON_AGAIN, 1,
      neon_string("pa\314\210sswo\314\210rd"),
      "SCRAM-SHA-256$4096:GH9nyvHR7m4m6hzFcLfkcA==$"
      "dN/CHudcUkcbwLOpWEIXNlxcLufnvv7c5+j3viF1rho=:"
      "eFqnUO0IshBNYKvvMgcyvy7SZLfHk7FMo5RrUOh+L/A=" },

    { "ligature", NEON_AGAIN, 1,
      neon_string("\357\254\201sh"),
      "SCRAM-SHA-256$4096:GY6StRFG06nFHu0NwiKLJg==$"
      "tkYSLWWiMWoGWHC6594knSBEVc7/W4Fcxb87H1ebRkA=:"
      "8lc83uJnIRpnsypOSvZGxQrt/bFpiMXKpbL+PwfzPnM=" },

    { "Roman numeral", NEON_AGAIN, 1,
      neon_string("\342\205\250"),
      "SCRAM-SHA-256$4096:a22R4ksJGrOonYVUDS2ZYw==$"
      "SGd4h+PD1TNAoPb1KQJeKpoDpXRn16sJapnfGdN6Ezo=:"
      "hsobdgp6CrK4z6+wIQf1XH2hEIWpBHHi6XBUy0uEgmo=" },

    { "full-width letter and soft hyphen", NEON_AGAIN, 1,
      neon_string("\357\275\201\302\255"),
      "SCRAM-SHA-256$4096:nhADpRzE33qGQsiTk/GQdw==$"
      "n0OMvnnp3zJ2uyme9btFS34kwL1vqbEjSkY1XYfERoQ=:"
      "dcXQ13pznN9sqiPVogM0gT7AnGI6WI0kc5YFBVDYChU=" },

    { "Latin-1", NEON_OK, 1,
      neon_string("p\344ss"),
      "SCRAM-SHA-256$4096:eBYSHNA1OFk/nPA3v8QEfw==$"
      "LA7xCEPh99QzeIWz6JsUvomEp9ij46usSRlguK6/ZnY=:"
      "KuOtAkBLb4iJGqyAPKniPl7lCCCNRlGBsg40MNEICE4=" },

    { "Latin-1 soft hyphen", NEON_OK, 1,
      neon_string("I\255X"),
      "SCRAM-SHA-256$4096:Xu411Kum0MLzsovRX+i6Ig==$"
      "H9RKQ2hmq8bugTghycNwBlo8sMg5Fisr54gh7FQ1M+I=:"
      "TkkqT120xeJtQ9TGIUJBGcRp7DFMpei0g1y6O8DhkF8=" },

    { "overlong UTF-8", NEON_OK, 1,
      neon_string("a\300\257b"),
      "SCRAM-SHA-256$4096:g5p2AS7oTCuSSXqc7Lz1dw==$"
      "4UeuuUbQTijzMEQEcgUKBghMv29INwKZZpG2i6/x7Ts=:"
      "/SFZUXaVa3LkDQdKDG5qS+VzVJ8+9WMW9xEZStReyfw=" },

    { "UTF-8 surrogate", NEON_OK, 1,
      neon_string("\355\240\200\302\255"),
      "SCRAM-SHA-256$4096:Qt/CRO94IxYLvwvxmRvnFw==$"
      "yINffBR2Ab8B+/NN/fGlzWQZ3lII6LHiL+QyyJQQDMk=:"
      "kIXeqSHqZNVf2W4S+zl9bf3Y2eGfdxl9g2GogfDzfbY=" },

    { "truncated UTF-8", NEON_OK, 1,
      neon_string("a\302\255\342\200"),
      "SCRAM-SHA-256$4096:twXmW7aEJqu5cxHJ26TA+Q==$"
      "AVv1JwFNqHNITssRXnXG8BMnfZf0rIRgzIF4ZcPJSdc=:"
      "6XA+jw792XGYD/zpfHgIp4Yz58Dh5zkKireHeJ24gI0=" },

    { "above U+10FFFF", NEON_OK, 1,
      neon_string("\364\220\200\200\302\255"),
      "SCRAM-SHA-256$4096:614IHPcbx/B22ImpZ5xpdw==$"
      "tHqb51wnkBvIKehCrrQm2bM3F1opiuL/F9zxzrzaDLE=:"
      "nprot3/ZfkRBYmEX71l2hVRGkI7zk37E7QNPR65IKmc=" },

    { "soft hyphen, database of SQL_ASCII", NEON_OK, 1,
      neon_string("I\302\255X"),
      "SCRAM-SHA-256$4096:dqPNRg0ahjtzGpSJxeF2uQ==$"
      "11Bo5VSu6Nr6aIkB8yLZPjYBr2MBhjFGpxErJtXQZjw=:"
      "J2yC3UFxumCaxgD7+7KPGA6v5gVTf1hJ4Xw/oJTRabQ=" },

};


#endif /* SCRAM_VECTORS_H */
