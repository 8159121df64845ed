// JDBC (pgjdbc): SNI from the host of the URL, which jdk.net.hosts.file maps

import java.io.StringReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.util.Properties;

import org.postgresql.PGConnection;

public class Smoke {
    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.setProperty("user", System.getenv("PGUSER"));
        p.setProperty("password", System.getenv("PGPASSWORD"));
        p.setProperty("sslmode", "verify-full");
        p.setProperty("sslrootcert", System.getenv("CA"));

        String url = "jdbc:postgresql://" + System.getenv("HOST") + ":"
            + System.getenv("PORT") + "/" + System.getenv("PGDATABASE");

        try (Connection c = DriverManager.getConnection(url, p)) {
            String user;
            int number;
            long count;

            try (PreparedStatement s = c.prepareStatement(
                     "select current_user, ?::int * 2"))
            {
                s.setInt(1, 21);
                ResultSet r = s.executeQuery();
                r.next();
                user = r.getString(1);
                number = r.getInt(2);
            }

            c.createStatement().execute("create temp table t (line text)");

            StringBuilder lines = new StringBuilder();
            for (int n = 0; n < 1000; n++) {
                lines.append("line ").append(n).append('\n');
            }

            count = c.unwrap(PGConnection.class).getCopyAPI().copyIn(
                "copy t from stdin", new StringReader(lines.toString()));

            ResultSet r = c.createStatement().executeQuery(
                "select repeat('x', 1000000)");
            r.next();

            System.out.println(user + " " + number + " " + count + " "
                               + r.getString(1).length());
        }
    }
}
