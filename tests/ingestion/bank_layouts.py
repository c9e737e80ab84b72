"""Hand-made exports in the layouts of real banks and apps, with what a person reads in them.

Each entry: name, options, the text, and the rows as (date, amount, currency or "", part of the description or merchant).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Layout:
    """One made-up export. `errors` lists the lines that must be reported as row errors."""

    name: str
    text: str
    rows: list[tuple[str, str, str, str]]
    file_name: str = ""
    encoding: str = "utf-8"
    date_format: str | None = None
    columns: dict[str, str] | None = None
    account: str | None = None
    errors: list[int] = field(default_factory=list)


LAYOUTS: list[Layout] = [
    Layout(
        "Chase checking",
        "Details,Posting Date,Description,Amount,Type,Balance,Check or Slip #\n"
        'DEBIT,01/31/2024,"ORIG CO NAME:ELECTRIC CO",-88.12,ACH_DEBIT,1911.88,,\n'
        'CREDIT,01/30/2024,"PAYROLL ACME",2000.00,ACH_CREDIT,2000.00,,\n',
        [("2024-01-31", "-88.12", "", "ELECTRIC"), ("2024-01-30", "2000.00", "", "PAYROLL")],
    ),
    Layout(
        "Chase credit card",
        "Transaction Date,Post Date,Description,Category,Type,Amount,Memo\n"
        "12/28/2023,12/29/2023,TST* CAFE,Food & Drink,Sale,-14.50,\n"
        "12/20/2023,12/20/2023,Payment Thank You - Web,,Payment,300.00,\n"
        "12/13/2023,12/15/2023,AMZN RETURN,Shopping,Return,25.00,\n",
        [("2023-12-28", "-14.50", "", "CAFE"), ("2023-12-20", "300.00", "", "Payment"), ("2023-12-13", "25.00", "", "RETURN")],
    ),
    Layout(
        "Bank of America checking, summary above the table",
        "Description,,Summary Amt.\n"
        'Beginning balance as of 01/01/2024,,"1,000.00"\n'
        'Total credits,,"500.00"\n'
        'Total debits,,"-20.00"\n'
        'Ending balance as of 01/31/2024,,"1,480.00"\n'
        "\n"
        "Date,Description,Amount,Running Bal.\n"
        '01/01/2024,Beginning balance as of 01/01/2024,,"1,000.00"\n'
        '01/03/2024,"CHECKCARD 0102 STORE","-20.00","980.00"\n'
        '01/15/2024,"PAYROLL DES:DIRECT DEP","500.00","1,480.00"\n',
        [("2024-01-03", "-20.00", "", "STORE"), ("2024-01-15", "500.00", "", "PAYROLL")],
    ),
    Layout(
        "Bank of America credit card",
        "Posted Date,Reference Number,Payee,Address,Amount\n"
        '10/15/2018,24692168287100123456789,"UBER TRIP","SAN FRANCISCO CA",-12.34\n'
        '10/17/2018,24692168287100123456790,"PAYMENT - THANK YOU","",100.00\n',
        [("2018-10-15", "-12.34", "", "UBER"), ("2018-10-17", "100.00", "", "PAYMENT")],
    ),
    Layout(
        "Wells Fargo, no header",
        '"12/14/2009","-12.07","*","","CHECK CRD PURCHASE 12/02 EUPHORIA"\n"12/04/2009","-789.00","*","2392","CHECK # 2392"\n'
        '"12/01/2009","1500.00","*","","DEPOSIT"\n',
        [("2009-12-14", "-12.07", "", "EUPHORIA"), ("2009-12-04", "-789.00", "", "CHECK"), ("2009-12-01", "1500.00", "", "DEPOSIT")],
    ),
    Layout(
        "Capital One card, debit and credit",
        "Transaction Date,Posted Date,Card No.,Description,Category,Debit,Credit\n"
        "2024-02-01,2024-02-02,1234,GROCERY OUTLET,Merchandise,45.10,\n"
        "2024-02-05,2024-02-05,1234,CAPITAL ONE MOBILE PYMT,Payment/Credit,,200.00\n",
        [("2024-02-01", "-45.10", "", "GROCERY"), ("2024-02-05", "200.00", "", "MOBILE PYMT")],
    ),
    Layout(
        "Capital One 360",
        "Account Number,Transaction Description,Transaction Date,Transaction Type,Transaction Amount,Balance\n"
        "1234,Zelle money received from Bob,03/28/24,Credit,35.00,1035.00\n"
        "1234,Withdrawal to Landlord,03/01/24,Debit,900.00,1000.00\n",
        [("2024-03-28", "35.00", "", "Zelle"), ("2024-03-01", "-900.00", "", "Landlord")],
    ),
    Layout(
        "American Express US, charges positive",
        "Date,Description,Card Member,Account #,Amount\n"
        "01/22/2024,WHOLE FOODS,J DOE,-11001,54.20\n"
        "01/15/2024,MOBILE PAYMENT - THANK YOU,J DOE,-11001,-300.00\n"
        "01/11/2024,NETFLIX,J DOE,-11001,15.49\n",
        [("2024-01-22", "-54.20", "", "WHOLE"), ("2024-01-15", "300.00", "", "PAYMENT"), ("2024-01-11", "-15.49", "", "NETFLIX")],
    ),
    Layout(
        "American Express UK without payments",
        "Date,Description,Card Member,Account #,Amount\n22/01/2024,TFL TRAVEL,J DOE,-21001,5.20\n11/01/2024,PRET,J DOE,-21001,4.49\n",
        [("2024-01-22", "-5.20", "", "TFL"), ("2024-01-11", "-4.49", "", "PRET")],
    ),
    Layout(
        "Discover",
        "Trans. Date,Post Date,Description,Amount,Category\n"
        "04/30/2024,04/30/2024,INTERNET PAYMENT - THANK YOU,-120.00,Payments and Credits\n"
        "04/12/2024,04/13/2024,SHELL OIL,40.00,Gasoline\n",
        [("2024-04-30", "120.00", "", "PAYMENT"), ("2024-04-12", "-40.00", "", "SHELL")],
    ),
    Layout(
        "Apple Card",
        "Transaction Date,Clearing Date,Description,Merchant,Category,Type,Amount (USD)\n"
        "05/30/2024,05/31/2024,APPLE.COM/BILL ONE APPLE PARK,Apple Services,Other,Purchase,9.99\n"
        "05/20/2024,05/20/2024,ACH DEPOSIT INTERNET TRANSFER,ACH,Payment,Payment,-50.00\n",
        [("2024-05-30", "-9.99", "USD", "APPLE"), ("2024-05-20", "50.00", "USD", "ACH")],
    ),
    Layout(
        "Citi card, debit and credit with minus",
        "Status,Date,Description,Debit,Credit\n"
        'Cleared,03/18/2024,"COSTCO WHSE",120.55,\nCleared,03/10/2024,"AUTOPAY",,-500.00\n'
        'Pending,03/19/2024,"HOTEL HOLD",300.00,\n',
        [("2024-03-18", "-120.55", "", "COSTCO"), ("2024-03-10", "500.00", "", "AUTOPAY")],
        errors=[4],
    ),
    Layout(
        "Schwab checking",
        '"Date","Status","Type","CheckNumber","Description","Withdrawal","Deposit","RunningBalance"\n'
        '"06/28/2024","Posted","ATM","","ATM FEE REBATE","","$3.50","$1,003.50"\n'
        '"06/27/2024","Posted","ACH","","VENMO PAYMENT","$20.00","","$1,000.00"\n',
        [("2024-06-28", "3.50", "USD", "REBATE"), ("2024-06-27", "-20.00", "USD", "VENMO")],
    ),
    Layout(
        "US credit union, parentheses for minus",
        "account,date,amount,balance,category,description,memo,notes\n"
        '000123-S0002,11/16/2012,($19.47),$75.24,Household,AMAZON MKTPLACE,"Date 11/15/12",Card\n'
        "000123-S0002,11/02/2012,$50.00,$94.71,Income,TRANSFER,,\n",
        [("2012-11-16", "-19.47", "USD", "AMAZON"), ("2012-11-02", "50.00", "USD", "TRANSFER")],
    ),
    Layout(
        "Venmo, preamble and a line of balances",
        "Account Statement - (@jo),,,,,,,,,,\nAccount Activity,,,,,,,,,,\n"
        ",ID,Datetime,Type,Status,Note,From,To,Amount (total),Amount (fee),Beginning Balance\n"
        ",,,,,,,,,,$100.00\n"
        ",3141592,2024-01-05T18:22:11,Payment,Complete,Pizza,Jo,Sam,- $12.50,,\n"
        ',3141593,2024-01-07T08:01:00,Payment,Complete,Rent,Sam,Jo,"+ $1,010.00",,\n'
        ",,,,,,,,,,\n",
        [("2024-01-05", "-12.50", "USD", "Pizza"), ("2024-01-07", "1010.00", "USD", "Rent")],
    ),
    Layout(
        "Mint",
        '"Date","Description","Original Description","Amount","Transaction Type","Category","Account Name","Labels","Notes"\n'
        '"1/31/2019","Safeway","SAFEWAY #123","23.45","debit","Groceries","Checking","",""\n'
        '"1/30/2019","Paycheck","ACME PAYROLL","1000.00","credit","Paycheck","Checking","",""\n',
        [("2019-01-31", "-23.45", "", "Safeway"), ("2019-01-30", "1000.00", "", "Paycheck")],
    ),
    Layout(
        "YNAB register",
        '"Account","Flag","Date","Payee","Category Group/Category","Category Group","Category","Memo","Outflow","Inflow","Cleared"\n'
        '"Cash","","25/12/2023","Bakery","Food: Out","Food","Out","bread",€3.20,€0.00,"Cleared"\n'
        '"Cash","","01/12/2023","Starting Balance","Inflow: Ready","Inflow","Ready","",€0.00,€80.00,"Reconciled"\n',
        [("2023-12-25", "-3.20", "EUR", "bread"), ("2023-12-01", "80.00", "EUR", "Starting Balance")],
    ),
    Layout(
        "Tiller",
        "Date,Description,Category,Amount,Account,Account #,Institution,Month,Week,Transaction ID,Check Number,Full Description,Date Added\n"
        '12/31/2023,Coffee,Dining,"-$4.75",Checking,xxxx1234,Bank,12/1/23,12/31/23,65a1b2c3d4e5f6,,COFFEE SHOP,1/2/24\n'
        '12/30/2023,Pay,Income,"$2,000.00",Checking,xxxx1234,Bank,12/1/23,12/24/23,65a1b2c3d4e5f7,,EMPLOYER,1/2/24\n',
        [("2023-12-31", "-4.75", "USD", "Coffee"), ("2023-12-30", "2000.00", "USD", "Pay")],
    ),
    Layout(
        "Personal Capital",
        "Date,Account,Description,Category,Tags,Amount\n2019-03-02,Visa - Ending in 1,Whole Foods,Groceries,,-50.12\n",
        [("2019-03-02", "-50.12", "", "Whole")],
    ),
    Layout(
        "Monzo, later layout",
        "Transaction ID,Date,Time,Type,Name,Emoji,Category,Amount,Currency,Local amount,Local currency,Notes and #tags,Address,Receipt,"
        "Description,Category split,Money Out,Money In,Balance,Balance currency\n"
        "mm_0000AkoAE,10/08/2024,01:09:44,Card payment,Berry Farm,,Personal,-13.75,GBP,-24.00,CAD,,Rr 1,,SQ *BERRY FARM,,-13.75,,569.97,GBP\n"
        "mm_0000AkoAF,13/08/2024,11:09:44,Faster payment,Jo,,Income,20.00,GBP,20.00,GBP,,,,Jo,,,20.00,589.97,GBP\n",
        [("2024-08-10", "-13.75", "GBP", "BERRY"), ("2024-08-13", "20.00", "GBP", "Jo")],
    ),
    Layout(
        "Starling",
        "Date,Counter Party,Reference,Type,Amount (GBP),Balance (GBP),Spending Category,Notes\n"
        "28/02/2024,Tesco,TESCO STORES 1234,CONTACTLESS,-8.40,91.60,GROCERIES,\n"
        "01/02/2024,Alice,rent share,FASTER PAYMENT,100.00,100.00,INCOME,\n",
        [("2024-02-28", "-8.40", "GBP", "TESCO"), ("2024-02-01", "100.00", "GBP", "rent")],
    ),
    Layout(
        "Barclays",
        "Number,Date,Account,Amount,Subcategory,Memo\n"
        " ,29/12/2023,20-12-34 12345678,-25.00,CARD PURCHASE,SHOP LTD\n ,21/12/2023,20-12-34 12345678,1200.00,DIRECTDEP,EMPLOYER\n",
        [("2023-12-29", "-25.00", "", "SHOP"), ("2023-12-21", "1200.00", "", "EMPLOYER")],
    ),
    Layout(
        "HSBC UK, no header",
        '30/04/2024,"CARD PAYMENT TO CAFE",-4.10\n29/04/2024,"BGC EMPLOYER","1,250.00"\n',
        [("2024-04-30", "-4.10", "", "CAFE"), ("2024-04-29", "1250.00", "", "EMPLOYER")],
    ),
    Layout(
        "Lloyds",
        "Transaction Date,Transaction Type,Sort Code,Account Number,Transaction Description,Debit Amount,Credit Amount,Balance\n"
        "29/03/2024,DEB,'12-34-56,12345678,SAINSBURYS,12.30,,87.70\n"
        "28/03/2024,FPI,'12-34-56,12345678,J SMITH,,100.00,100.00\n",
        [("2024-03-29", "-12.30", "", "SAINSBURYS"), ("2024-03-28", "100.00", "", "SMITH")],
        errors=[],
    ),
    Layout(
        "NatWest",
        "Date, Type, Description, Value, Balance, Account Name, Account Number\n"
        '29/01/2024,POS,"\'1234 28JAN24 , TESCO",-9.99,90.01,"\'CURRENT","\'123456-12345678"\n'
        '15/01/2024,BAC,"\'SALARY",100.00,100.00,"\'CURRENT","\'123456-12345678"\n',
        [("2024-01-29", "-9.99", "", "TESCO"), ("2024-01-15", "100.00", "", "SALARY")],
    ),
    Layout(
        "Santander UK text as CSV",
        "Date,Description,Money in,Money Out,Balance\n"
        '28/06/2024,CARD PAYMENT TO BOOTS,,£7.00,£93.00\n27/06/2024,BANK GIRO CREDIT,"£1,100.00",,"£1,100.00"\n',
        [("2024-06-28", "-7.00", "GBP", "BOOTS"), ("2024-06-27", "1100.00", "GBP", "GIRO")],
    ),
    Layout(
        "Nationwide, preamble",
        '"Account Name:","FlexAccount ****12345"\n"Account Balance:","£1,234.56"\n"Available Balance: ","£1,234.56"\n\n'
        '"Date","Transaction type","Description","Paid out","Paid in","Balance"\n'
        '"13 Feb 2024","Visa purchase","COOP","£5.00","","£1,234.56"\n'
        '"12 Feb 2024","Bank credit","MR X","","£10.00","£1,239.56"\n',
        [("2024-02-13", "-5.00", "GBP", "COOP"), ("2024-02-12", "10.00", "GBP", "MR X")],
    ),
    Layout(
        "First Direct",
        "Date,Description,Amount,Balance\n25/02/2018,MERCHANT@12:34,-5.00,995.00\n24/02/2018,PAY,10.00,1000.00\n",
        [("2018-02-25", "-5.00", "", "MERCHANT"), ("2018-02-24", "10.00", "", "PAY")],
    ),
    Layout(
        "Revolut: declined, pending, reverted, fee on top",
        "Type,Product,Started Date,Completed Date,Description,Amount,Fee,Currency,State,Balance\n"
        "TOPUP,Current,2024-01-02 10:00:00,2024-01-02 10:00:05,Top-Up,100.00,0.00,EUR,COMPLETED,100.00\n"
        "CARD_PAYMENT,Current,2024-01-03 10:00:00,2024-01-04 02:00:00,Shop,-20.00,0.00,EUR,COMPLETED,80.00\n"
        "EXCHANGE,Current,2024-01-06 10:00:00,2024-01-06 10:00:01,To USD,-10.00,0.50,EUR,COMPLETED,69.50\n"
        "CARD_PAYMENT,Current,2024-01-07 10:00:00,,Hotel,-60.00,0.00,EUR,PENDING,\n"
        "CARD_PAYMENT,Current,2024-01-08 10:00:00,,Kiosk,-6.00,0.00,EUR,REVERTED,\n"
        "CARD_PAYMENT,Current,2024-01-09 10:00:00,2024-01-09 11:00:00,Taxi,-9.50,0.00,EUR,COMPLETED,60.00\n",
        [
            ("2024-01-02", "100.00", "EUR", "Top-Up"),
            ("2024-01-04", "-20.00", "EUR", "Shop"),
            ("2024-01-06", "-10.50", "EUR", "To USD"),
            ("2024-01-09", "-9.50", "EUR", "Taxi"),
        ],
        errors=[5, 6],
    ),
    Layout(
        "N26, old",
        '"Date","Payee","Account number","Transaction type","Payment reference","Category","Amount (EUR)","Amount (Foreign Currency)",'
        '"Type Foreign Currency","Exchange Rate"\n'
        '"2019-08-13","REWE","","MasterCard Payment","","Food","-12.5","-12.5","EUR","1.0"\n'
        '"2019-08-14","Boss","DE123","Income","Salary","Income","2000.0","","",""\n',
        [("2019-08-13", "-12.50", "EUR", "REWE"), ("2019-08-14", "2000.00", "EUR", "Salary")],
    ),
    Layout(
        "N26, new",
        '"Booking Date","Value Date","Partner Name","Partner Iban",Type,"Payment Reference","Account Name","Amount (EUR)","Original Amount",'
        '"Original Currency","Exchange Rate"\n'
        '2024-03-01,2024-03-02,"Spotify",,"Presentment",,"Main Account",-9.99,9.99,EUR,1\n',
        [("2024-03-01", "-9.99", "EUR", "Spotify")],
    ),
    Layout(
        "Wise balance statement",
        '"TransferWise ID",Date,Amount,Currency,Description,"Payment Reference","Running Balance","Exchange From","Exchange To",'
        '"Exchange Rate","Payer Name","Payee Name","Payee Account Number",Merchant,"Total fees"\n'
        "CARD-123456,25-02-2024,-3.50,EUR,Card transaction of 3.50 EUR issued by Cafe,,96.50,,,,,,,Cafe,0.00\n"
        'TRANSFER-98765,13-02-2024,100.00,EUR,"Received money from ANN",rent,100.00,,,,ANN,,,,0.00\n',
        [("2024-02-25", "-3.50", "EUR", "Cafe"), ("2024-02-13", "100.00", "EUR", "ANN")],
    ),
    Layout(
        "PayPal with memo rows",
        '"Date","Time","TimeZone","Name","Type","Status","Currency","Gross","Fee","Net","Transaction ID","Balance","Balance Impact"\n'
        '"25.01.2024","08:00:00","CET","Shop","Zahlung","Completed","EUR","-12,50","0,00","-12,50","7AB12345CD678901E","-12,50","Debit"\n'
        '"25.01.2024","08:00:01","CET","","Bankgutschrift","Completed","EUR","12,50","0,00","12,50","8AB12345CD678901F","0,00","Credit"\n'
        '"26.01.2024","09:00:00","CET","Kunde","Zahlung","Completed","EUR","1.100,00","-20,00","1.080,00","9AB12345CD678901G","1.080,00","Credit"\n',
        [("2024-01-25", "-12.50", "EUR", "Shop"), ("2024-01-25", "12.50", "EUR", "gutschrift"), ("2024-01-26", "1080.00", "EUR", "Kunde")],
    ),
    Layout(
        "Stripe balance",
        "id,Type,Source,Amount,Fee,Net,Currency,Created (UTC),Available On (UTC),Description\n"
        "txn_3Ox1,charge,ch_1,20.00,0.88,19.12,eur,2024-02-29 10:11,2024-03-07 00:00,Invoice 17\n"
        "txn_3Ox2,payout,po_1,-19.12,0.00,-19.12,eur,2024-03-08 10:11,2024-03-09 00:00,STRIPE PAYOUT\n",
        [("2024-02-29", "19.12", "EUR", "Invoice"), ("2024-03-08", "-19.12", "EUR", "PAYOUT")],
    ),
    Layout(
        "Cash App",
        '"Transaction ID","Date","Transaction Type","Currency","Amount","Fee","Net Amount","Asset Type","Status","Notes","Name of sender/receiver"\n'
        '"abcd12","2024-01-20 13:05:33 EST","Cash Card","USD","-$8.00","$0","-$8.00","","COMPLETE","Deli","Deli"\n'
        '"abcd13","2024-01-21 13:05:33 EST","Received P2P","USD","$30.00","$0","$30.00","","COMPLETE","thanks","Ann"\n',
        [("2024-01-20", "-8.00", "USD", "Deli"), ("2024-01-21", "30.00", "USD", "thanks")],
    ),
    Layout(
        "Firefly III export",
        "user_id,group_id,journal_id,type,amount,foreign_amount,currency_code,description,date,source_name,destination_name,category\n"
        "1,10,20,Withdrawal,-12.50,,EUR,Bread,2024-02-03T00:00:00+01:00,Checking,Baker,Food\n"
        "1,11,21,Deposit,1000,,EUR,Pay,2024-02-05T00:00:00+01:00,Boss,Checking,Income\n",
        [("2024-02-03", "-12.50", "EUR", "Bread"), ("2024-02-05", "1000.00", "EUR", "Pay")],
    ),
    Layout(
        "DKB, old, preamble",
        '"Kontonummer:";"DE02120300000000202051 / Girokonto";\n\n"Von:";"01.01.2024";\n"Bis:";"31.01.2024";\n'
        '"Kontostand vom 31.01.2024:";"1.234,56 EUR";\n\n'
        '"Buchungstag";"Wertstellung";"Buchungstext";"Auftraggeber / Begünstigter";"Verwendungszweck";"Kontonummer";"BLZ";"Betrag (EUR)";'
        '"Gläubiger-ID";"Mandatsreferenz";"Kundenreferenz";\n'
        '"05.01.2024";"05.01.2024";"Kartenzahlung";"REWE";"Einkauf";"DE111";"BYLADEM1001";"-1.034,56";"";"";"";\n'
        '"02.01.2024";"02.01.2024";"Gutschrift";"Arbeitgeber";"Lohn";"DE112";"BYLADEM1001";"2.000,00";"";"";"";\n',
        [("2024-01-05", "-1034.56", "EUR", "Einkauf"), ("2024-01-02", "2000.00", "EUR", "Lohn")],
        encoding="cp1252",
        account="DE02120300000000202051",
    ),
    Layout(
        "DKB, new",
        '"Girokonto";"DE02120300000000202051"\n"Zeitraum:";"01.03.2024 - 31.03.2024"\n"Kontostand vom 31.03.2024:";"1.000,00\u00a0€"\n""\n'
        '"Buchungsdatum";"Wertstellung";"Status";"Zahlungspflichtige*r";"Zahlungsempfänger*in";"Verwendungszweck";"Umsatztyp";"IBAN";'
        '"Betrag (€)";"Gläubiger-ID";"Mandatsreferenz";"Kundenreferenz"\n'
        '"28.03.24";"";"Vorgemerkt";"ICH";"Aldi";"Kauf";"Ausgang";"DE99";"-5,00";"";"";""\n'
        '"27.03.24";"27.03.24";"Gebucht";"ICH";"Edeka";"Kauf 2";"Ausgang";"DE98";"-1.005,00 €";"";"";""\n'
        '"26.03.24";"26.03.24";"Gebucht";"Chef";"ICH";"Lohn";"Eingang";"DE97";"2.000";"";"";""\n',
        [("2024-03-27", "-1005.00", "EUR", "Kauf 2"), ("2024-03-26", "2000.00", "EUR", "Lohn")],
        account="DE02120300000000202051",
        errors=[6],
    ),
    Layout(
        "Sparkasse CAMT",
        '"Auftragskonto";"Buchungstag";"Valutadatum";"Buchungstext";"Verwendungszweck";"Glaeubiger ID";"Mandatsreferenz";'
        '"Kundenreferenz (End-to-End)";"Sammlerreferenz";"Lastschrift Ursprungsbetrag";"Auslagenersatz Ruecklastschrift";'
        '"Beguenstigter/Zahlungspflichtiger";"Kontonummer/IBAN";"BIC (SWIFT-Code)";"Betrag";"Waehrung";"Info"\n'
        '"DE00";"05.02.24";"05.02.24";"KARTENZAHLUNG";"2024-02-03T12:00";"";"";"";"";"";"";"LIDL";"DE11";"X";"-7,05";"EUR";"Umsatz gebucht"\n'
        '"DE00";"06.02.24";"";"LASTSCHRIFT";"Strom";"";"";"";"";"";"";"STADTWERKE";"DE12";"X";"-50,00";"EUR";"Umsatz vorgemerkt"\n',
        [("2024-02-05", "-7.05", "EUR", "2024-02-03")],
        encoding="cp1252",
        errors=[3],
    ),
    Layout(
        "ING DE, preamble",
        "Umsatzanzeige;Datei erstellt am: 01.04.2024 10:00\n\nIBAN;DE89 3704 0044 0532 0130 00\nKontoname;Girokonto\nBank;ING\nKunde;Erika\n"
        "Zeitraum;01.03.2024 - 31.03.2024\nSaldo;1.234,56;EUR\n\nSortierung;Datum absteigend\n\n"
        "In der CSV-Datei finden Sie alle bereits gebuchten Umsätze.\n\n"
        "Buchung;Wertstellungsdatum;Auftraggeber/Empfänger;Buchungstext;Verwendungszweck;Saldo;Währung;Betrag;Währung\n"
        "28.03.2024;28.03.2024;VISA REWE;Lastschrift;NR 123;1.234,56;EUR;-12,34;EUR\n"
        "27.03.2024;27.03.2024;Firma;Gehalt/Rente;LOHN;1.246,90;EUR;1.200,00;EUR\n",
        [("2024-03-28", "-12.34", "EUR", "NR 123"), ("2024-03-27", "1200.00", "EUR", "LOHN")],
        encoding="cp1252",
        account="DE89370400440532013000",
    ),
    Layout(
        "comdirect, preamble and pending",
        ';\n"Umsätze Girokonto";"Zeitraum: 30 Tage";\n"Neuer Kontostand";"1.000,00 EUR";\n\n'
        '"Buchungstag";"Wertstellung (Valuta)";"Vorgang";"Buchungstext";"Umsatz in EUR";\n'
        '"offen";"--";"Lastschrift";"Buchungstext: X Ref. 1";"-3,00";\n'
        '"29.02.2024";"29.02.2024";"Übertrag / Überweisung";"Auftraggeber: A Buchungstext: Miete";"-800,00";\n\n'
        '"Alter Kontostand";"1.800,00 EUR";\n',
        [("2024-02-29", "-800.00", "EUR", "Miete")],
        encoding="cp1252",
        errors=[6],
    ),
    Layout(
        "Commerzbank",
        "Buchungstag;Wertstellung;Umsatzart;Buchungstext;Betrag;Währung;IBAN Kontoinhaber;Kategorie\n"
        "23.05.2024;22.05.2024;Lastschrift;Kartenzahlung BÄCKER;-3,40;EUR;DE01;Sonstige\n",
        [("2024-05-23", "-3.40", "EUR", "BÄCKER")],
    ),
    Layout(
        "Consorsbank",
        "Buchung;Valuta;Sender / Empfänger;IBAN / Konto-Nr.;BIC / BLZ;Buchungstext;Verwendungszweck;Betrag in EUR\n"
        "03.06.2024;03.06.2024;Vermieter;DE5;X;LASTSCHRIFT;Miete Juni;-750,00\n",
        [("2024-06-03", "-750.00", "EUR", "Miete")],
    ),
    Layout(
        "Deutsche Bank, debit and credit, preamble and footer",
        "Umsätze PersonalKonto;;;Kundennummer: 123 1234567 00\n01.02.2024 - 29.02.2024\n"
        "Letzter Kontostand;;;;1.000,00;EUR\nVorgemerkte und noch nicht gebuchte Umsätze sind nicht Bestandteil dieser Übersicht.\n"
        "Buchungstag;Wert;Umsatzart;Begünstigter / Auftraggeber;Verwendungszweck;IBAN;Soll;Haben;Währung\n"
        "05.02.2024;05.02.2024;SEPA-Lastschrift;Telekom;RG 1;DE1;-39,95;;EUR\n"
        "06.02.2024;06.02.2024;Gutschrift;Boss;Lohn;DE2;;1.500,00;EUR\n"
        "Kontostand;29.02.2024;;;2.460,05;EUR\n",
        [("2024-02-05", "-39.95", "EUR", "RG 1"), ("2024-02-06", "1500.00", "EUR", "Lohn")],
    ),
    Layout(
        "Volksbank with Soll/Haben letters",
        "Buchungstag;Valuta;Auftraggeber/Zahlungsempfänger;Empfänger/Zahlungspflichtiger;Konto-Nr.;IBAN;BLZ;BIC;Vorgang/Verwendungszweck;"
        "Kundenreferenz;Währung;Umsatz; \n"
        "15.01.2018;15.01.2018;ICH;Stadtwerke;;DE1;;X;Lastschrift Strom;;EUR;70,00;S\n"
        "16.01.2018;16.01.2018;ICH;Boss;;DE2;;X;Gehalt;;EUR;1.500,00;H\n",
        [("2018-01-15", "-70.00", "EUR", "Strom"), ("2018-01-16", "1500.00", "EUR", "Gehalt")],
    ),
    Layout(
        "Volksbank, new",
        "Bezeichnung Auftragskonto;IBAN Auftragskonto;BIC Auftragskonto;Bankname Auftragskonto;Buchungstag;Valutadatum;Name Zahlungsbeteiligter;"
        "IBAN Zahlungsbeteiligter;BIC (SWIFT-Code) Zahlungsbeteiligter;Buchungstext;Verwendungszweck;Betrag;Waehrung;Saldo nach Buchung;"
        "Bemerkung;Gekennzeichneter Umsatz;Glaeubiger ID;Mandatsreferenz\n"
        "Giro;DE02;GEN;VB;02.04.2024;02.04.2024;ALDI;DE1;X;Basislastschrift;Einkauf;-23,10;EUR;76,90;;;;\n",
        [("2024-04-02", "-23.10", "EUR", "Einkauf")],
    ),
    Layout(
        "easybank, no header",
        "AT11;Bezahlung Karte BILLA DANKT;30.09.2019;30.09.2019;-19,65;EUR\nAT11;Gutschrift Lohn;27.09.2019;27.09.2019;+2.100,00;EUR\n",
        [("2019-09-30", "-19.65", "EUR", "BILLA"), ("2019-09-27", "2100.00", "EUR", "Lohn")],
        encoding="cp1252",
    ),
    Layout(
        "ING NL, comma",
        '"Datum","Naam / Omschrijving","Rekening","Tegenrekening","Code","Af Bij","Bedrag (EUR)","MutatieSoort","Mededelingen"\n'
        '"20240131","Albert Heijn","NL20INGB0001234567","","BA","Af","1.023,45","Betaalautomaat","Pasvolgnr: 001"\n'
        '"20240125","Werkgever","NL20INGB0001234567","NL01RABO","OV","Bij","2000,00","Overschrijving","Salaris"\n',
        [("2024-01-31", "-1023.45", "EUR", "Pasvolgnr"), ("2024-01-25", "2000.00", "EUR", "Salaris")],
    ),
    Layout(
        "ING NL, semicolon, English",
        '"Date";"Name / Description";"Account";"Counterparty";"Code";"Debit/credit";"Amount (EUR)";"Transaction type";"Notifications";'
        '"Resulting balance";"Tag"\n'
        '"20240131";"Jumbo";"NL20INGB0001234567";"";"BA";"Debit";"10,00";"Payment terminal";"Card 1";"90,00";""\n'
        '"20240125";"Boss";"NL20INGB0001234567";"";"OV";"Credit";"100,00";"Transfer";"Pay";"100,00";""\n',
        [("2024-01-31", "-10.00", "EUR", "Jumbo"), ("2024-01-25", "100.00", "EUR", "Boss")],
    ),
    Layout(
        "ABN AMRO, tab, no header",
        "123456789\tEUR\t20240105\t1000,00\t990,50\t20240105\t-9,50\tBEA   NR:1 SHOP\n"
        "123456789\tEUR\t20240106\t990,50\t1090,50\t20240106\t100,00\tSEPA OVERBOEKING NAAM: X\n",
        [("2024-01-05", "-9.50", "EUR", "SHOP"), ("2024-01-06", "100.00", "EUR", "OVERBOEKING")],
    ),
    Layout(
        "Rabobank, old, no header",
        '"0123456789","EUR","20120114","D","12.34","","ALBERT HEIJN","20120114","ba","","Betaalautomaat 14:03","","","","",""\n'
        '"0123456789","EUR","20120115","C","100.00","3456789","J. JANSEN","20120115","cb","","huur","","","","",""\n',
        [("2012-01-14", "-12.34", "EUR", ""), ("2012-01-15", "100.00", "EUR", "")],
    ),
    Layout(
        "Bunq",
        '"Date","Interest Date","Amount","Account","Counterparty","Name","Description"\n'
        '"2024-02-01","2024-02-01","-1,234.50","NL11BUNQ","NL22","Landlord","rent"\n'
        '"2024-02-02","2024-02-02","2,000.00","NL11BUNQ","NL33","Boss","pay"\n',
        [("2024-02-01", "-1234.50", "", "rent"), ("2024-02-02", "2000.00", "", "pay")],
    ),
    Layout(
        "ASN bank, no header, dd-mm-yyyy",
        "13-01-2024,NL01ASNB0123456789,NL02RABO,j jansen,,,,EUR,75.00,EUR,200.00,13-01-2024,13-01-2024,9722,IDB,1,'','loon',1\n"
        "15-01-2024,NL01ASNB0123456789,NL02RABO,j jansen,,,,EUR,275.00,EUR,-25.00,15-01-2024,15-01-2024,9721,IDB,2,'','huur',1\n",
        [("2024-01-13", "200.00", "EUR", ""), ("2024-01-15", "-25.00", "EUR", "")],
    ),
    Layout(
        "Triodos, no header",
        '"14-02-2024","NL01TRIO0123456789","12,50","Debet","Shop","NL02","BA","kaart","100,00"\n'
        '"15-02-2024","NL01TRIO0123456789","1.000,00","Credit","Baas","NL03","OV","loon","1.100,00"\n',
        [("2024-02-14", "-12.50", "", ""), ("2024-02-15", "1000.00", "", "")],
    ),
    Layout(
        "KBC checking",
        "Rekeningnummer;Rubrieknaam;Naam;Munt;Afschriftnummer;Datum;Omschrijving;Valuta;Bedrag;Saldo;credit;debet;rekeningnummer tegenpartij;"
        "BIC code tegenpartij;Naam tegenpartij;Adres tegenpartij;gestructureerde mededeling;Vrije mededeling\n"
        "BE12345;;JAN;EUR; 02024001;13/01/2024;BETALING;12/01/2024;-10,00;90,00;;-10,00;;;SHOP;;;\n"
        "BE12345;;JAN;EUR; 02024001;14/01/2024;STORTING;14/01/2024;60,00;150,00;60,00;;BE2;X;PIET;;;dank\n",
        [("2024-01-13", "-10.00", "EUR", "BETALING"), ("2024-01-14", "60.00", "EUR", "STORTING")],
    ),
    Layout(
        "Belfius, preamble",
        "Boekingsdatum vanaf;01/01/2024\nBoekingsdatum tot en met;31/01/2024\nBedrag vanaf;\n;\n"
        "Rekening;Boekingsdatum;Rekeninguittrekselnummer;Transactienummer;Rekening tegenpartij;Naam tegenpartij bevat;Straat en nummer;"
        "Postcode en plaats;Transactie;Valutadatum;Bedrag;Devies;BIC;Landcode;Mededelingen\n"
        "BE62 1;31/01/2024;;;BE1;COLRUYT;;;AANKOOP;31/01/2024;-33,50;EUR;X;;kaart\n",
        [("2024-01-31", "-33.50", "EUR", "kaart")],
    ),
    Layout(
        "BNP Paribas Fortis",
        "Volgnummer;Uitvoeringsdatum;Valutadatum;Bedrag;Valuta rekening;Rekeningnummer;Type verrichting;Tegenpartij;Naam van de tegenpartij;"
        "Mededeling;Details;Status;Reden van weigering\n"
        "2024-00012;14/03/2024;14/03/2024;-6,20;EUR;BE11;Kaart;;Cafe;;BETALING;Geaccepteerd;\n",
        [("2024-03-14", "-6.20", "EUR", "BETALING")],
    ),
    Layout(
        "BNP Paribas FR, no header names but account line",
        "Compte de chèques;Compte de chèques;****1234;31/01/2024;;1 234,56\n"
        "30/01/2024;;;FACTURE CARTE DU 290124 MONOPRIX;-1 023,45\n25/01/2024;;;VIREMENT RECU;2 000,00\n",
        [("2024-01-30", "-1023.45", "", "MONOPRIX"), ("2024-01-25", "2000.00", "", "VIREMENT")],
        encoding="cp1252",
    ),
    Layout(
        "Crédit Agricole, preamble, two-line cells",
        "Téléchargement du 31/01/2024;;;;\n\nMonsieur DUPONT\nCompte de Dépôt carte n° 12345678901;\nSolde au 31/01/2024 1 234,56 €\n\n"
        "Liste des opérations du compte entre le 01/01/2024 et le 31/01/2024;\n\n"
        "Date;Libellé;Débit Euros;Crédit Euros;\n"
        '30/01/2024;"PAIEMENT PAR CARTE\nCARREFOUR PARIS ";1 045,10;;\n'
        '29/01/2024;"VIREMENT EN VOTRE FAVEUR\nSALAIRE ";;2 100,00;\n',
        [("2024-01-30", "-1045.10", "EUR", "CARREFOUR"), ("2024-01-29", "2100.00", "EUR", "SALAIRE")],
        encoding="cp1252",
    ),
    Layout(
        "Boursorama",
        "dateOp;dateVal;label;category;categoryParent;supplierFound;amount;comment;accountNum;accountLabel;accountbalance\n"
        '2024-01-15;2024-01-15;"CARTE 14/01/24 BOULANGERIE";"Alimentation";"Vie";"boulangerie";-4,50;;00012345678;BoursoBank;1234.56\n'
        '2024-01-12;2024-01-12;"VIR SEPA";"Virements";"Rev";"x";"1 200,00";;00012345678;BoursoBank;1234.56\n',
        [("2024-01-15", "-4.50", "", "BOULANGERIE"), ("2024-01-12", "1200.00", "", "VIR")],
    ),
    Layout(
        "Fortuneo",
        "Date opération;Date valeur;libellé;Débit;Crédit;\n13/01/2024;13/01/2024;CARTE FNAC;-30,00;;\n14/01/2024;14/01/2024;VIR;;50,00;\n",
        [("2024-01-13", "-30.00", "", "FNAC"), ("2024-01-14", "50.00", "", "VIR")],
        encoding="iso8859-15",
    ),
    Layout(
        "La Banque Postale, preamble",
        "Numéro Compte   ;1234567X020\nType         ;CCP\nCompte tenu en  ;euros\nDate            ;31/01/2024\nSolde (EUROS)   ;100,00\n\n"
        "Date;Libellé;Montant(EUROS)\n30/01/2024;ACHAT CB SNCF;-20,00\n29/01/2024;VIREMENT DE M X;40,00\n",
        [("2024-01-30", "-20.00", "EUR", "SNCF"), ("2024-01-29", "40.00", "EUR", "VIREMENT")],
        encoding="cp1252",
        account="1234567X020",
    ),
    Layout(
        "Caisse d'Epargne",
        "Date de comptabilisation;Libelle simplifie;Libelle operation;Reference;Informations complementaires;Type operation;Categorie;"
        "Sous categorie;Debit;Credit;Date operation;Date de valeur;Pointage operation\n"
        "15/03/2024;Carrefour;CB CARREFOUR FACT 130324;;;Carte bancaire;Alimentation;Super;-24,08;;13/03/2024;15/03/2024;0\n"
        "14/03/2024;Salaire;VIR SALAIRE;;;Virement;Revenus;Salaire;;+1500,00;14/03/2024;14/03/2024;0\n",
        [("2024-03-13", "-24.08", "", "CARREFOUR"), ("2024-03-14", "1500.00", "", "SALAIRE")],
    ),
    Layout(
        "Nordea FI",
        "Kirjauspäivä;Määrä;Maksaja;Maksunsaaja;Nimi;Otsikko;Saldo;Valuutta;\n"
        "2024/02/15;-15,90;FI12;;K-MARKET;K-MARKET HKI;100,00;EUR;\n2024/02/14;50,00;;FI12;Matti;Matti M;115,90;EUR;\n",
        [("2024-02-15", "-15.90", "EUR", "MARKET"), ("2024-02-14", "50.00", "EUR", "Matti")],
    ),
    Layout(
        "OP Finland",
        "Kirjauspäivä;Arvopäivä;Määrä EUROA;Laji;Selitys;Saaja/Maksaja;Saajan tilinumero;Saajan pankin BIC;Viite;Viesti;Arkistointitunnus\n"
        '2024-01-31;2024-01-31;-8,50;162;PKORTTIMAKSU;ALEPA;;;ref=;"Viesti: KORTTIOSTO";20240131/5UTH01/000123\n',
        [("2024-01-31", "-8.50", "EUR", "PKORTTI")],
        encoding="iso8859-15",
    ),
    Layout(
        "Nordea SE",
        "Bokföringsdag;Belopp;Avsändare;Mottagare;Namn;Rubrik;Saldo;Valuta\n"
        "2024/01/30;-1 234,00;1111 11 11111;;;Kortköp 240129 ICA;5 000,00;SEK\nReserverad;-50,00;1111;;;SJ;;SEK\n",
        [("2024-01-30", "-1234.00", "SEK", "ICA")],
        errors=[3],
    ),
    Layout(
        "SEB",
        "Bokförd;Valutadatum;Text;Typ;Insättningar;Uttag;Bokfört saldo\n"
        "2024-02-20;2024-02-20;SPOTIFY;Kort;;-119,00;1.000,00\n2024-02-19;2024-02-19;LÖN;Lön;25.000,00;;1.119,00\n",
        [("2024-02-20", "-119.00", "", "SPOTIFY"), ("2024-02-19", "25000.00", "", "LÖN")],
    ),
    Layout(
        "Swedbank, comma, cp1252, note on the first line",
        "* Transaktioner Period 2024-01-01 - 2024-01-31 Skapad 2024-02-01 10:00 CET\n"
        "Radnummer,Clearingnummer,Kontonummer,Produkt,Valuta,Bokföringsdag,Transaktionsdag,Valutadag,Referens,Beskrivning,Belopp,Bokfört saldo\n"
        '1,8000,1234567,"Privatkonto",SEK,2024-01-15,2024-01-14,2024-01-15,"ICA","Kortköp",-200.00,800.00\n'
        '2,8000,1234567,"Privatkonto",SEK,2024-01-13,2024-01-13,2024-01-13,"LÖN","Lön",1000.00,1000.00\n',
        [("2024-01-14", "-200.00", "SEK", "Kortköp"), ("2024-01-13", "1000.00", "SEK", "Lön")],
        encoding="cp1252",
    ),
    Layout(
        "Sparbanken, no header",
        "Swish VÄSTTRAFIK AB;2019-07-14;2019-07-15;-28,00;24 207,40\nICA;2019-07-13;2019-07-14;-100,00;24 235,40\n",
        [("2019-07-14", "-28.00", "", "VÄST"), ("2019-07-13", "-100.00", "", "ICA")],
    ),
    Layout(
        "Länsförsäkringar",
        '"Bokföringsdatum";"Transaktionsdatum";"Transaktionstyp";"Meddelande";"Belopp";"Kontonummer";"Kontonamn";"";"Saldo"\n'
        '"2019-05-27";"2019-05-25";"Kortköp";"COOP";"-99,50";"9020";"Privat";"";"1000,00"\n',
        [("2019-05-25", "-99.50", "", "COOP")],
    ),
    Layout(
        "Danske Bank",
        '"Dato";"Kategori";"Underkategori";"Tekst";"Beløb";"Saldo";"Status";"Afstemt"\n'
        '"31.01.2024";"Dagligvarer";"Supermarked";"Netto";"-1.050,25";"8.949,75";"Udført";"Nej"\n'
        '"01.02.2024";"Løn";"Løn";"Løn";"20.000,00";"28.949,75";"Udført";"Nej"\n',
        [("2024-01-31", "-1050.25", "", "Netto"), ("2024-02-01", "20000.00", "", "Løn")],
        encoding="iso8859-1",
    ),
    Layout(
        "Nordea DK",
        "Bogført;Tekst;Rentedato;Beløb;Saldo\n15-03-2024;Dankort-nota NETTO;15-03-2024;-75,00;925,00\n14-03-2024;Løn;14-03-2024;1.000,00;1.000,00\n",
        [("2024-03-15", "-75.00", "", "NETTO"), ("2024-03-14", "1000.00", "", "Løn")],
    ),
    Layout(
        "BEC banks DK, no header",
        '31-01-2024;"Føtex";"-120,50";"879,50"\n30-01-2024;"Løn";"1.000,00";"1.000,00"\n',
        [("2024-01-31", "-120.50", "", "Føtex"), ("2024-01-30", "1000.00", "", "Løn")],
        encoding="cp1252",
    ),
    Layout(
        "DNB",
        '"Dato";"Forklaring";"Rentedato";"Ut fra konto";"Inn på konto"\n"30.04.2024";"Varekjøp REMA";"30.04.2024";"250,10";""\n'
        '"15.04.2024";"Lønn";"15.04.2024";"";"30 000,00"\n',
        [("2024-04-30", "-250.10", "", "REMA"), ("2024-04-15", "30000.00", "", "Lønn")],
        encoding="cp1252",
    ),
    Layout(
        "Sparebank 1",
        "Dato;Beskrivelse;Rentedato;Inn;Ut;Til konto;Fra konto;\n05.05.2019;Nettbank;05.05.2019;994,00;;12345678956;;\n04.05.2019;Kiwi;04.05.2019;;-120,00;;1234;\n",
        [("2019-05-05", "994.00", "", "Nettbank"), ("2019-05-04", "-120.00", "", "Kiwi")],
    ),
    Layout(
        "mBank PL, preamble",
        "mBank S.A. Bankowość Detaliczna;\n\n#Klient;\nJAN KOWALSKI;\n\n#Lista operacji;\n#za okres:;\n01.01.2024;31.01.2024;\n\n#Waluta;\nPLN;\n\n"
        "#Data operacji;#Opis operacji;#Rachunek;#Kategoria;#Kwota;\n"
        '2024-01-15;"ZAKUP PRZY UŻYCIU KARTY ŻABKA";"eKonto 1111";"Żywność";-1 023,45 PLN;;\n'
        '2024-01-10;"PRZELEW";"eKonto 1111";"Wpływy";5 000,00 PLN;;\n',
        [("2024-01-15", "-1023.45", "PLN", "ŻABKA"), ("2024-01-10", "5000.00", "PLN", "PRZELEW")],
        encoding="cp1250",
    ),
    Layout(
        "PKO BP",
        '"Data operacji","Data waluty","Typ transakcji","Kwota","Waluta","Saldo po transakcji","Opis transakcji","","",""\n'
        '"2024-01-30","2024-01-29","Płatność kartą","-45.67","PLN","+954.33","Tytuł: 123","Lokalizacja: BIEDRONKA","",""\n'
        '"2024-01-28","2024-01-28","Przelew","+1000.00","PLN","+1000.00","Tytuł: pensja","","",""\n',
        [("2024-01-30", "-45.67", "PLN", "Tytuł"), ("2024-01-28", "1000.00", "PLN", "pensja")],
        encoding="cp1250",
    ),
    Layout(
        "ING PL, preamble and footer",
        '"Lista transakcji";;;"ING Bank Śląski S.A.";\n"Użytkownik";;;"JAN";\n\n'
        '"Data transakcji";"Data księgowania";"Dane kontrahenta";"Tytuł";"Nr rachunku";"Nazwa banku";"Szczegóły";"Nr transakcji";'
        '"Kwota transakcji (waluta rachunku)";"Waluta";"Kwota blokady/zwolnienie blokady";"Waluta";"Kwota płatności w walucie";"Waluta";"Konto";'
        '"Saldo po transakcji";"Waluta"\n'
        '2024-02-13;2024-02-14;" ŻABKA ";" Płatność kartą ";\'\';"";" ";\'202404412345678\';-12,34;PLN;;;;;"KONTO Direct";987,66;PLN\n'
        '2024-02-15;;" ORLEN ";" Blokada ";\'\';"";" ";;;;-100,00;PLN;;;"KONTO Direct";;\n'
        '"Dokument ma charakter informacyjny, nie stanowi dowodu księgowego";;;\n',
        [("2024-02-13", "-12.34", "PLN", "kart")],
        encoding="cp1250",
        errors=[6],
    ),
    Layout(
        "Česká spořitelna",
        "Datum zaúčtování;Název protistrany;Protiúčet;Částka;Měna;Zpráva;Kategorie\n15.01.2024;Albert;;-1 250,50;CZK;nákup;Jídlo\n"
        "10.01.2024;Firma;123/0800;25 000,00;CZK;mzda;Příjem\n",
        [("2024-01-15", "-1250.50", "CZK", "nákup"), ("2024-01-10", "25000.00", "CZK", "mzda")],
        encoding="utf-16",
    ),
    Layout(
        "Fio banka, preamble",
        '"accountId";"2000000001"\n"bankId";"2010"\n"currency";"CZK"\n"dateStart";"01.01.2024"\n\n'
        '"ID pohybu";"Datum";"Objem";"Měna";"Protiúčet";"Název protiúčtu";"Kód banky";"Název banky";"KS";"VS";"SS";"Poznámka";'
        '"Zpráva pro příjemce";"Typ";"Provedl"\n'
        '"26000000001";"16.01.2024";"-500,00";"CZK";"";"";"";"";"";"";"";"Nákup: LIDL";"Nákup: LIDL";"Platba kartou";"J"\n',
        [("2024-01-16", "-500.00", "CZK", "LIDL")],
        account="2000000001",
    ),
    Layout(
        "Air Bank",
        '"Datum provedení";"Směr úhrady";"Typ úhrady";"Skupina plateb";"Měna účtu";"Částka v měně účtu";"Poplatek v měně účtu";"Název protistrany"\n'
        '"13/01/2024";"Odchozí";"Platba kartou";"Jídlo";"CZK";"-120,00";"0,00";"BILLA"\n'
        '"12/01/2024";"Příchozí";"Příchozí úhrada";"Příjem";"CZK";"30000,00";"0,00";"FIRMA"\n',
        [("2024-01-13", "-120.00", "CZK", "BILLA"), ("2024-01-12", "30000.00", "CZK", "FIRMA")],
        encoding="cp1250",
    ),
    Layout(
        "Tatra banka SK, Kredit/Debet",
        "Dátum zaúčtovania,Dátum,Suma,Mena,Typ,IBAN,Popis\n"
        "14.01.2024,13.01.2024,25.50,EUR,Debet,SK1,BILLA\n15.01.2024,15.01.2024,1000.00,EUR,Kredit,SK1,VYPLATA\n",
        [("2024-01-14", "-25.50", "EUR", "BILLA"), ("2024-01-15", "1000.00", "EUR", "VYPLATA")],
    ),
    Layout(
        "OTP HU, no header",
        '"117730161111";"T";-5490;"HUF";"20240112";"20240112";94510;"";"";"SPAR";"";"";"VÁSÁRLÁS KÁRTYÁVAL"\n'
        '"117730161111";"J";300000;"HUF";"20240115";"20240115";394510;"1177";"CÉG KFT";"BÉR";"";"";"ÁTUTALÁS"\n',
        [("2024-01-12", "-5490", "HUF", ""), ("2024-01-15", "300000", "HUF", "")],
        encoding="cp1250",
    ),
    Layout(
        "K&H HU",
        "könyvelés dátuma\ttranzakció azonosító \ttípus\tkönyvelési számla\tkönyvelési számla elnevezése\tpartner számla\tpartner elnevezése\t"
        "összeg\tösszeg devizaneme\tközlemény\n"
        "2024.01.31\tABCD123456\tVásárlás\t10400\tJÓSKA\t\tTESCO\t-3 450\tHUF\tkártya\n"
        "2024.01.30\tABCD123457\tÁtutalás\t10400\tJÓSKA\t117\tCÉG\t450 000\tHUF\tbér\n",
        [("2024-01-31", "-3450", "HUF", "kártya"), ("2024-01-30", "450000", "HUF", "bér")],
    ),
    Layout(
        "UBS, dual columns, preamble",
        "Kontonummer:;0230 00123456.40;\nIBAN:;CH93 0076 2011 6238 5295 7;\nVon:;2024-01-01;\nBis:;2024-01-31;\nAnfangssaldo:;1000.00;\n"
        "Schlusssaldo:;1480.00;\nBewertet in:;CHF;\nAnzahl Transaktionen in diesem Zeitraum:;2;\n\n"
        "Abschlussdatum;Abschlusszeit;Buchungsdatum;Valutadatum;Währung;Belastung;Gutschrift;Einzelbetrag;Saldo;Transaktions-Nr.;"
        "Beschreibung1;Beschreibung2;Beschreibung3;Fussnoten;\n"
        '2024-01-15;12:00:00;2024-01-15;2024-01-15;CHF;-1\'020.00;;;1480.00;9999015TI1;"Migros";"Zahlung";"Ref 1";;\n'
        '2024-01-10;;2024-01-10;2024-01-10;CHF;;1\'500.00;;2500.00;9999010ZC2;"Firma AG";"Gutschrift";"Lohn";;\n',
        [("2024-01-15", "-1020.00", "CHF", "Migros"), ("2024-01-10", "1500.00", "CHF", "Firma")],
        account="CH9300762011623852957",
    ),
    Layout(
        "PostFinance, preamble and disclaimer",
        'Datum von:;="01.01.2024"\nDatum bis:;="31.01.2024"\nKonto:;="CH9300762011623852957"\nWährung:;="CHF"\n\n'
        "Datum;Bewegungstyp;Avisierungstext;Gutschrift in CHF;Lastschrift in CHF;Label;Kategorie\n"
        '31.01.2024;Buchung;"KAUF COOP";;-45.30;;Lebensmittel\n25.01.2024;Buchung;"GUTSCHRIFT LOHN";5000;;;Lohn\n\nDisclaimer:\n'
        "Dies ist kein durch PostFinance AG erstelltes Dokument. PostFinance AG ist nicht verantwortlich für den Inhalt.\n",
        [("2024-01-31", "-45.30", "CHF", "COOP"), ("2024-01-25", "5000.00", "CHF", "LOHN")],
    ),
    Layout(
        "Raiffeisen CH",
        "IBAN;Booked At;Text;Credit/Debit Amount;Balance;Valuta Date\n"
        "CH93;2024-01-31 00:00:00.0;Einkauf Coop;-30.5;969.5;2024-01-31 00:00:00.0\nCH93;2024-01-30 00:00:00.0;Lohn;1000;1000;2024-01-30 00:00:00.0\n",
        [("2024-01-31", "-30.50", "", "Coop"), ("2024-01-30", "1000.00", "", "Lohn")],
        encoding="cp1252",
    ),
    Layout(
        "ZKB",
        '"Datum";"Buchungstext";"Whg";"Betrag Detail";"ZKB-Referenz";"Referenznummer";"Belastung CHF";"Gutschrift CHF";"Valuta";"Saldo CHF"\n'
        '"15.04.2024";"Einkauf Migros";"";"";"Z1234567890";"";"23.40";"";"15.04.2024";"976.60"\n'
        '"14.04.2024";"Gutschrift";"";"";"Z1234567891";"";"";"1\'000.00";"14.04.2024";"1\'000.00"\n',
        [("2024-04-15", "-23.40", "CHF", "Migros"), ("2024-04-14", "1000.00", "CHF", "Gutschrift")],
    ),
    Layout(
        "Intesa Sanpaolo",
        "Data contabile;Data valuta;Descrizione;Addebiti;Accrediti;Descrizione estesa\n"
        '15/01/2024;15/01/2024;"Pagamento POS";"-1.250,00";"";"ESSELUNGA"\n14/01/2024;14/01/2024;"Stipendio";"";"2.000,00";"DITTA"\n',
        [("2024-01-15", "-1250.00", "", "POS"), ("2024-01-14", "2000.00", "", "Stipendio")],
    ),
    Layout(
        "UniCredit IT",
        "Data Registrazione;Data valuta;Descrizione;Importo (EUR);\n31.01.2024;30.01.2024;PAGAMENTO CARTA;-45,20;\n01.02.2024;01.02.2024;BONIFICO;1.000,00;\n",
        [("2024-01-31", "-45.20", "EUR", "CARTA"), ("2024-02-01", "1000.00", "EUR", "BONIFICO")],
    ),
    Layout(
        "Inbank IT, dare and avere",
        "Data;Valuta;Dare;Avere;Divisa;Descrizione;Causale\n31/12/2018;31/12/2018;12,50;;EUR;PAGAMENTO POS;POS\n28/12/2018;28/12/2018;;900,00;EUR;STIPENDIO;BON\n",
        [("2018-12-31", "-12.50", "EUR", "POS"), ("2018-12-28", "900.00", "EUR", "STIPENDIO")],
    ),
    Layout(
        "Santander ES, preamble",
        "Consulta de movimientos;;;;\nNúmero de Cuenta:;ES9121000418450200051332;;;\nSaldo:;1.500,00 EUR;;;\n\n"
        "FECHA OPERACIÓN;FECHA VALOR;CONCEPTO;IMPORTE EUR;SALDO\n"
        "31/01/2024;31/01/2024;Pago con tarjeta MERCADONA;-52,30;1.500,00\n29/01/2024;29/01/2024;Nómina;1.552,30;1.552,30\n",
        [("2024-01-31", "-52.30", "EUR", "MERCADONA"), ("2024-01-29", "1552.30", "EUR", "Nómina")],
        encoding="cp1252",
        account="ES9121000418450200051332",
    ),
    Layout(
        "BBVA",
        "F.Valor;Fecha;Concepto;Movimiento;Importe;Divisa;Disponible;Divisa;Observaciones\n"
        "13/01/2024;13/01/2024;Pago tarjeta;Compra DIA;-12,00;EUR;988,00;EUR;4940\n",
        [("2024-01-13", "-12.00", "EUR", "Pago")],
    ),
    Layout(
        "CaixaBank",
        "Concepto;Fecha;Importe;Saldo\nMERCADONA;14/02/2024;-45,10EUR;954,90EUR\nNOMINA;01/02/2024;+1.000,00EUR;1.000,00EUR\n",
        [("2024-02-14", "-45.10", "EUR", "MERCADONA"), ("2024-02-01", "1000.00", "EUR", "NOMINA")],
    ),
    Layout(
        "Caixa Geral PT, preamble and footer",
        "Consultar saldos e movimentos à ordem - 31-01-2024\n\nConta ;0123456789 - EUR - Conta\nData de início ;01-01-2024\n\n"
        "Data mov. ;Data valor ;Descrição ;Débito ;Crédito ;Saldo contabilístico ;Saldo disponível ;Categoria ;\n"
        "31-01-2024;30-01-2024;COMPRA PINGO DOCE ;1.023,50;;976,50;976,50;Compras ;\n"
        "15-01-2024;15-01-2024;ORDENADO ;;2.000,00;2.000,00;2.000,00;Rend ;\n ; ; ; ; ;Saldo contabilístico ;976,50 ;EUR ;\n",
        [("2024-01-31", "-1023.50", "", "PINGO"), ("2024-01-15", "2000.00", "", "ORDENADO")],
        encoding="cp1252",
    ),
    Layout(
        "Nubank account",
        "Data,Valor,Identificador,Descrição\n15/01/2024,-50.00,65a5b2d1-0001-4000-8000-000000000001,Transferência enviada\n"
        "16/01/2024,1200.00,65a5b2d1-0002-4000-8000-000000000002,Transferência recebida\n",
        [("2024-01-15", "-50.00", "", "enviada"), ("2024-01-16", "1200.00", "", "recebida")],
    ),
    Layout(
        "Inter BR, preamble",
        "Extrato Conta Corrente\nConta ;12345678\nPeríodo ;01/01/2024 a 31/01/2024\nSaldo ;100,00\n\n"
        "Data Lançamento;Histórico;Descrição;Valor;Saldo\n31/01/2024;Pix enviado;Maria;-150,00;100,00\n30/01/2024;Pix recebido;José;1.250,00;250,00\n",
        [("2024-01-31", "-150.00", "", ""), ("2024-01-30", "1250.00", "", "")],
    ),
    Layout(
        "Itaú, text file",
        "15/01/2024;COMPRA CARTAO;-45,90\n16/01/2024;PIX RECEBIDO;1.200,00\n",
        [("2024-01-15", "-45.90", "", "COMPRA"), ("2024-01-16", "1200.00", "", "PIX")],
    ),
    Layout(
        "HDFC, two-digit years",
        "Date     ,Narration,Value Dat,Debit Amount,Credit Amount,Chq/Ref Number,Closing Balance\n"
        "  15/01/24  ,UPI-SWIGGY-1,15/01/24 ,     450.00,       0.00,0000401512345678,  9550.00\n"
        "  31/01/24  ,SALARY,31/01/24 ,       0.00,   50000.00,0000403112345679, 59550.00\n",
        [("2024-01-15", "-450.00", "", "SWIGGY"), ("2024-01-31", "50000.00", "", "SALARY")],
    ),
    Layout(
        "ICICI, preamble, Indian grouping",
        "DETAILED STATEMENT,,,,,,,\nAccount Number,,012345678901 ( INR )  - JOHN,,,,,\nTransaction Period,,From 01/01/2024 To 31/01/2024,,,,,\n\n"
        "S No.,Value Date,Transaction Date,Cheque Number,Transaction Remarks,Withdrawal Amount (INR ),Deposit Amount (INR ),Balance (INR )\n"
        '1,15/01/2024,15/01/2024,-,UPI/ZOMATO,"1,23,456.50",0.0,"1,00,000.00"\n2,31/01/2024,31/01/2024,-,NEFT SALARY,0.0,"2,50,000.00","3,50,000.00"\n',
        [("2024-01-15", "-123456.50", "INR", "ZOMATO"), ("2024-01-31", "250000.00", "INR", "SALARY")],
    ),
    Layout(
        "SBI, tab, named months",
        "Account Name       :\tMr. X\nAccount Number     :\t_00000012345678901\nStart Date         :\t1 Jan 2024\n\n"
        "Txn Date\tValue Date\tDescription\tRef No./Cheque No.\t        Debit\tCredit\tBalance\n"
        "15 Jan 2024\t15 Jan 2024\t   TO TRANSFER-UPI\tTRANSFER TO 1\t1,200.00\t \t8,800.00\n"
        "20 Jan 2024\t20 Jan 2024\t   BY SALARY\tTRANSFER FROM 2\t \t50,000.00\t58,800.00\n**This is a computer generated statement\n",
        [("2024-01-15", "-1200.00", "", "UPI"), ("2024-01-20", "50000.00", "", "SALARY")],
    ),
    Layout(
        "DBS, preamble, references",
        "Account Details For:,POSB SAYE 123-45678-9\nStatement as at:,31 Jan 2024\n\n"
        "Transaction Date,Reference,Debit Amount,Credit Amount,Transaction Ref1,Transaction Ref2,Transaction Ref3\n"
        "30 Jan 2024,POS, 12.50, ,NTUC FAIRPRICE,,\n29 Jan 2024,SAL, ,3000.00,EMPLOYER,,\n",
        [("2024-01-30", "-12.50", "", ""), ("2024-01-29", "3000.00", "", "")],
    ),
    Layout(
        "ANZ, no header",
        '31/01/2024,-45.20,"EFTPOS WOOLWORTHS"\n30/01/2024,"1,500.00","PAY"\n',
        [("2024-01-31", "-45.20", "", "WOOLWORTHS"), ("2024-01-30", "1500.00", "", "PAY")],
    ),
    Layout(
        "Commonwealth Bank, no header",
        '31/01/2024,"-45.20","COLES 1234","+1,254.80"\n30/01/2024,"+1,300.00","Salary","+1,300.00"\n',
        [("2024-01-31", "-45.20", "", "COLES"), ("2024-01-30", "1300.00", "", "Salary")],
    ),
    Layout(
        "Westpac",
        "Bank Account,Date,Narrative,Debit Amount,Credit Amount,Balance,Categories,Serial\n"
        "032000123456,29/02/2024,EFTPOS DEBIT ALDI,33.40,,966.60,DEP,\n032000123456,28/02/2024,DEPOSIT,,1000.00,1000.00,DEP,\n",
        [("2024-02-29", "-33.40", "", "ALDI"), ("2024-02-28", "1000.00", "", "DEPOSIT")],
    ),
    Layout(
        "NAB, no header",
        "13 Feb 24,-20.00,071123456789,,EFTPOS DEBIT,KMART,980.00\n12 Feb 24,1000.00,071123456788,,TRANSFER CREDIT,PAY,1000.00\n",
        [("2024-02-13", "-20.00", "", ""), ("2024-02-12", "1000.00", "", "")],
    ),
    Layout(
        "ING AU, negative debit column",
        "Date,Description,Credit,Debit,Balance\n28/02/2024,Visa Purchase COLES,,-45.10,954.90\n27/02/2024,Salary,1000.00,,1000.00\n",
        [("2024-02-28", "-45.10", "", "COLES"), ("2024-02-27", "1000.00", "", "Salary")],
    ),
    Layout(
        "TD Canada, no header, out, in, balance",
        "01/31/2024,TIM HORTONS,5.25,,994.75\n01/30/2024,PAYROLL,,1000.00,1000.00\n",
        [("2024-01-31", "-5.25", "", "TIM"), ("2024-01-30", "1000.00", "", "PAYROLL")],
    ),
    Layout(
        "RBC",
        '"Account Type","Account Number","Transaction Date","Cheque Number","Description 1","Description 2","CAD$","USD$"\n'
        'Chequing,01234-1234567,1/31/2024,,"INTERAC PURCHASE","LOBLAWS",-56.78,,\nChequing,01234-1234567,1/15/2024,,"PAYROLL","ACME",2000.00,,\n',
        [("2024-01-31", "-56.78", "CAD", "LOBLAWS"), ("2024-01-15", "2000.00", "CAD", "PAYROLL")],
    ),
    Layout(
        "Kiwibank",
        "38-9000-0000000-00,31 Jan 2024,31 Jan 2024\n"
        "Date,Memo/Description,Source Code (payment type),TP ref,TP part,TP code,OP ref,OP part,OP code,OP name,OP Bank Account Number,Amount,Balance\n"
        "31-01-2024,POS W/D COUNTDOWN,,,,,,,,,,-30.00,970.00\n30-01-2024,PAY,,,,,,,,,,1000.00,1000.00\n",
        [("2024-01-31", "-30.00", "", "COUNTDOWN"), ("2024-01-30", "1000.00", "", "PAY")],
    ),
    Layout(
        "Turkish bank",
        "Tarih;Açıklama;İşlem Tutarı;Bakiye\n15.01.2024;MİGROS ALIŞVERİŞ;-1.250,75 TL;8.749,25 TL\n10.01.2024;MAAŞ;10.000,00 TL;10.000,00 TL\n",
        [("2024-01-15", "-1250.75", "TRY", "MİGROS"), ("2024-01-10", "10000.00", "TRY", "MAAŞ")],
    ),
    Layout(
        "Russian bank, cp1251",
        "Дата операции;Описание;Сумма операции;Валюта\n15.01.2024 12:30:00;Пятёрочка;-350,50;RUB\n16.01.2024 08:00:00;Зарплата;50 000,00;RUB\n",
        [("2024-01-15", "-350.50", "RUB", "Пят"), ("2024-01-16", "50000.00", "RUB", "Зар")],
        encoding="cp1251",
    ),
    Layout(
        "German dates with month names",
        "Buchungsdatum;Text;Betrag\n12. März 2024;Miete;-800,00\n3. Mai 2024;Lohn;2.500,00\n",
        [("2024-03-12", "-800.00", "", "Miete"), ("2024-05-03", "2500.00", "", "Lohn")],
    ),
    Layout(
        "card with CR letters",
        'Transaction Date,Details,Amount\n28 Mar 2024,SUPERMARKET,45.60\n27 Mar 2024,PAYMENT,500.00 CR\n26 Mar 2024,CAFE,"1,004.20"\n',
        [("2024-03-28", "-45.60", "", "SUPERMARKET"), ("2024-03-27", "500.00", "", "PAYMENT"), ("2024-03-26", "-1004.20", "", "CAFE")],
    ),
    Layout(
        "trailing minus",
        "Datum;Text;Betrag\n31.01.2024;Strom;120,50-\n30.01.2024;Lohn;2.000,00+\n",
        [("2024-01-31", "-120.50", "", "Strom"), ("2024-01-30", "2000.00", "", "Lohn")],
    ),
    Layout(
        "DR and CR in the cell",
        'Date,Particulars,Amount,Balance\n31/01/2024,ATM,"1,500.00 DR","8,500.00 CR"\n30/01/2024,NEFT,"10,000.00 CR","10,000.00 CR"\n',
        [("2024-01-31", "-1500.00", "", "ATM"), ("2024-01-30", "10000.00", "", "NEFT")],
    ),
    Layout(
        "expense and income as words",
        "date,type,amount,currency,category,note\n2024-01-31,expense,12.30,EUR,food,lunch\n2024-01-30,income,1000,EUR,pay,salary\n",
        [("2024-01-31", "-12.30", "EUR", "lunch"), ("2024-01-30", "1000.00", "EUR", "salary")],
    ),
    Layout(
        "pipe, ISO with zone",
        "Booked|Amount|Ccy|Text\n2024-01-31T23:30:00+02:00|-1.50|EUR|late\n2024-01-01T00:10:00Z|2.50|EUR|early\n",
        [("2024-01-31", "-1.50", "EUR", "late"), ("2024-01-01", "2.50", "EUR", "early")],
    ),
    Layout(
        "Excel's sep line and BOM",
        "\ufeffsep=;\nDatum;Omschrijving;Bedrag\n31-01-2024;huur;-700,00\n01-02-2024;loon;2000,00\n",
        [("2024-01-31", "-700.00", "", "huur"), ("2024-02-01", "2000.00", "", "loon")],
    ),
    Layout(
        "each line quoted as one cell",
        '"Date,""Description"",Amount"\n"2024-01-31,""Shop, Inc"",-5.00"\n"2024-01-30,""Pay"",15.00"\n',
        [("2024-01-31", "-5.00", "", "Shop, Inc"), ("2024-01-30", "15.00", "", "Pay")],
    ),
    Layout(
        "columns named by the caller",
        "10/2009/09,Flubber Co,50,\n11/2009/09,Flubber Co,,50\n",
        [("2009-09-10", "50", "", "Flubber"), ("2009-09-11", "-50", "", "Flubber")],
        date_format="%d/%Y/%m",
        columns={"credit": "3", "debit": "4"},
    ),
]
